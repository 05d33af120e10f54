"""A configuration without a split: the last dates test, or blocks of cells where dates are too few."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.errors import InputError
from training.data.split import check_truth, split_archive
from training.defaults.complete import complete
from training.schema.config import parse_config


@pytest.fixture
def open_config(settings):
    del settings["split"]
    settings["validation"] = {}
    return parse_config({**settings, "data": {"name": "small"}})


def dated(archive, dates):
    """Return the small archive at other dates, each with one of its twelve fields."""
    index = np.arange(len(dates)) % 12
    sources = {
        name: replace(s, values=s.values[index]) if s.dynamic else s for name, s in archive.sources.items()
    }
    months = np.array([int(date[5:7]) for date in dates])
    return replace(
        archive,
        dates=tuple(dates),
        months=months,
        days=np.arange(len(dates)) + 1,
        coarse=archive.coarse[index],
        fine=archive.fine[index],
        sources=sources,
    )


def daily(first, count, step=1):
    return [str(np.datetime64(first) + step * n) for n in range(count)]


def test_months_of_a_climatology(open_config, archive):
    chosen = complete(open_config, archive)
    rule = chosen.config.split
    assert (rule.kind, rule.test, rule.train_months) == ("temporal", (11, 12), tuple(range(2, 10)))
    assert chosen.config.validation.held_out == (8, 9)
    assert [line.split(":")[0] for line in chosen.told[:2]] == ["Test", "Validation"] and not chosen.doubts
    split, again = (split_archive(one, archive) for one in (open_config, chosen.config))
    assert split == again and split.test.times == (10, 11) and split.train.times == tuple(range(1, 7))
    assert complete(chosen.config, archive) == replace(chosen, told=())


def test_the_last_fifth_of_dates_with_a_gap(open_config, archive):
    data = dated(archive, daily("2001-01-01", 100, 2))
    chosen = complete(open_config, data)
    split = split_archive(chosen.config, data)
    assert split.test.times == tuple(range(80, 100)) and chosen.config.split.gap_days == 10
    assert split.validation.times == tuple(range(60, 75)) and split.train.times == tuple(range(55))
    assert "20 of 100 dates" in chosen.told[0]


def test_hours_of_one_day_stay_together(open_config, archive):
    dates = [
        f"2001-{1 + d // 28:02d}-{1 + d % 28:02d}T{h:02d}:00" for d in range(40) for h in range(0, 24, 6)
    ]
    data = dated(archive, dates)
    split = split_archive(open_config, data)
    parts = [{dates[t][:10] for t in part.times} for part in (split.train, split.validation, split.test)]
    assert all(parts) and not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])


@pytest.mark.parametrize(
    ("dates", "words"),
    [
        (daily("2001-01-01", 3, 200), "on other dates cannot be judged"),
        ([f"2001-06-0{1 + h // 24}T{h % 24:02d}:00" for h in range(48)], "in other weather cannot be judged"),
    ],
    ids=["three dates", "one storm"],
)
def test_too_few_dates_are_said_and_cells_test(open_config, archive, dates, words):
    data = dated(archive, dates)
    chosen = complete(open_config, data)
    assert any(words in doubt for doubt in chosen.doubts)
    assert words in chosen.config.model.description and chosen.config.model.description.count(words) == 1
    split = split_archive(chosen.config, data)
    assert split.train.times == split.test.times == tuple(range(len(dates)))
    assert not (split.train.cells & split.test.cells).any() and split.test.cells.any()
    assert complete(chosen.config, data).config == chosen.config


def test_few_months_test_on_cells(open_config, archive):
    data = replace(
        archive,
        **{name: getattr(archive, name)[:3] for name in ("months", "days", "dates", "coarse", "fine")},
    )
    chosen = complete(open_config, data)
    assert chosen.config.split.blocks is not None and "other months" in chosen.doubts[0]


def test_what_is_too_small_is_refused(open_config, archive):
    data = dated(archive, daily("2001-01-01", 3))
    data = replace(data, coarse=np.where(np.arange(20) < 1, data.coarse, np.nan))
    with pytest.raises(InputError, match=r"split: 3 dates of 12 × 20 coarse cells are too few"):
        complete(open_config, data)


def test_periods_of_months_without_years_are_refused(open_config, settings, archive):
    config = parse_config({**settings, "validation": {"held_out_periods": [["2001", "2001"]]}})
    with pytest.raises(InputError, match="months without years"):
        complete(config, archive)


def test_dates_without_a_value_are_neither_counted_nor_held_out(open_config, archive):
    """A product ends before its calendar does: the dates that test must have something to test on."""
    dates = daily("2001-01-01", 60)
    data = dated(archive, dates)
    coarse, fine = (np.array(field) for field in (data.coarse, data.fine))
    for field in (coarse, fine):
        field[50:] = field[5] = np.nan
    chosen = complete(open_config, replace(data, coarse=coarse, fine=fine)).config
    assert chosen.split.test == ((dates[40], dates[49]),)
    assert chosen.split.train == ((dates[0], dates[39]),)
    few = replace(data, coarse=np.where(np.arange(60)[:, None, None] < 4, coarse, np.nan), fine=fine)
    assert complete(open_config, few).config.split.blocks is not None


def test_a_split_whose_part_has_no_truth_is_refused(settings, archive):
    data = dated(archive, daily("2001-01-01", 60))
    data = replace(data, fine=np.where(np.arange(60)[:, None, None] < 50, data.fine, np.nan))
    split = {"kind": "period", "train": [["2001-01-01", "2001-02-15"]], "test": [["2001-02-20"] * 2]}
    config = parse_config({**settings, "split": split, "validation": {"where": "training"}})
    with pytest.raises(InputError, match=r"split\.test: the data set .* has no truth there \(2001-02-20 to"):
        check_truth(data, split_archive(config, data))
