"""Validation that a configuration does not name: a block of training data held out, or that it is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.errors import InputError
from training.data.hold_out.validation import choose_validation
from training.data.split import split_archive
from training.schema.config import parse_config
from training.trainer.trainer import Trainer


@pytest.fixture
def configured(settings):
    def make(split, **validation):
        return parse_config({**settings, "data": {"name": "small"}, "split": split, "validation": validation})

    return make


def dated(archive, dates, period=None):
    """Return the small archive at other dates, each with one of its twelve fields."""
    index = np.arange(len(dates)) % 12
    sources = {
        name: replace(s, values=s.values[index]) if s.dynamic else s for name, s in archive.sources.items()
    }
    return replace(
        archive,
        dates=tuple(dates),
        months=np.array([int(date[5:7]) for date in dates]),
        days=np.arange(len(dates)) + 1,
        coarse=archive.coarse[index],
        fine=archive.fine[index],
        sources=sources,
    )


def days(first, count, step=1):
    start = np.datetime64(first)
    return [str(start + step * n) for n in range(count)]


def test_months_at_the_end_of_training_are_held_out(configured, archive):
    config = configured({"kind": "temporal", "train": list(range(1, 10)), "test": [10, 11, 12]})
    chosen = choose_validation(config, archive)
    assert chosen.config.validation.held_out == (8, 9)
    assert "months 8, 9" in chosen.told[0] and not chosen.doubts
    split = split_archive(config, archive)
    assert split.train.times == tuple(range(7)) and split.validation.times == (7, 8) and split.held_out
    assert choose_validation(chosen.config, archive).config == chosen.config


def test_of_one_or_two_years_each_season_judges(configured, archive):
    data = dated(archive, [*days("2001-10-01", 92, 8), "2004-02-01"])  # two water years, and a test
    config = configured({"kind": "period", "train": [["2001-10", "2003-09"]], "test": [["2004-02"] * 2]})
    chosen = choose_validation(config, data)
    held = chosen.config.validation
    assert [first[:7] for first, _ in held.held_out_periods] == ["2001-11", "2002-01", "2003-04", "2003-08"]
    assert held.gap_days == 10 and "in 4 seasons, 2001-11" in chosen.told[0]
    split = split_archive(chosen.config, data)
    assert len(split.validation.times) == 18 and len(split.train.times) > 60
    assert not set(split.validation.times) & set(split.train.times)
    near = np.abs(np.subtract.outer(split.validation.times, split.train.times)).min()
    assert near * 8 > 10


def test_of_two_years_of_months_a_month_of_each_season_judges(configured, archive):
    months = [f"{2001 + m // 12}-{m % 12 + 1:02d}" for m in range(24)]
    config = configured({"kind": "period", "train": [["2001", "2002"]], "test": [["2004"] * 2]})
    held = choose_validation(config, dated(archive, months)).config.validation
    assert [first for first, _ in held.held_out_periods] == ["2001-02", "2001-05", "2002-08", "2002-11"]
    summers = [m for m in months if m[5:] in ("06", "07", "08")] + days("2001-06-01", 30)
    alone = choose_validation(config, dated(archive, sorted(summers))).config.validation
    assert len(alone.held_out_periods) == 1


def test_the_last_fifth_of_the_dates_is_held_out_with_a_gap(configured, archive):
    data = dated(archive, days("2001-01-01", 130))
    config = configured(
        {"kind": "period", "train": [["2001-01-01", "2001-04-10"]], "test": [["2001-05"] * 2]}
    )
    chosen = choose_validation(config, data).config.validation
    assert chosen.held_out_periods == (("2001-03-22", "2001-04-10"),) and chosen.gap_days == 10
    split = split_archive(config, data)
    assert split.validation.times == tuple(range(80, 100))
    assert split.train.times == tuple(range(70))  # ten days are in neither
    assert not set(split.training_view.climatology_times) & set(range(70, 100))
    assert split.test_view.climatology_times == tuple(range(100))


def test_where_there_are_three_years_a_whole_one_validates(configured, archive):
    data = dated(archive, days("2001-01-15", 4 * 26, 14))
    config = configured({"kind": "period", "train": [["2001", "2003"]], "test": [["2004"] * 2]})
    held = choose_validation(config, data).config.validation
    months = {data.dates[t][5:7] for t in split_archive(config, data).validation.times}
    assert len(months) == 12, held


def test_a_gap_that_would_leave_too_little_is_left_out(configured, archive):
    data = dated(archive, days("2001-01-01", 12))
    config = configured(
        {"kind": "period", "train": [["2001-01-01", "2001-01-11"]], "test": [["2001-01-12"] * 2]}
    )
    assert choose_validation(config, data).config.validation.gap_days == 1
    split = split_archive(config, data)
    assert split.validation.times == (9, 10) and split.train.times == tuple(range(8))


@pytest.mark.parametrize(
    "dates",
    [days("2001-01-01", 5), [f"2001-01-{1 + h // 24:02d}T{h % 24:02d}:00" for h in range(48)]],
    ids=["few dates", "one storm"],
)
def test_too_few_dates_hold_out_cells(configured, archive, tmp_path, dates):
    data = dated(archive, [*dates, "2002-01-01"])
    config = configured({"kind": "period", "train": [["2001", "2001"]], "test": [["2002"] * 2]}, every=2)
    chosen = choose_validation(config, data)
    assert chosen.config.validation.cells.share == 0.2 and "too few dates" in chosen.told[0]
    split = split_archive(config, data)
    assert split.train.times == split.validation.times == tuple(range(len(dates)))
    assert split.held_out and split.test.cells is None
    assert not (split.train.cells & split.validation.cells).any()
    assert 0 < split.validation.cells.mean() < split.train.cells.mean()
    hidden = np.where(split.train.cells.repeat(2, 0).repeat(2, 1), 0, 1e4).astype(np.float32)
    other = replace(data, fine=data.fine + hidden)
    trainers = [Trainer(config, one, split, tmp_path) for one in (data, other)]
    assert trainers[0].step().terms == trainers[1].step().terms  # training knows nothing of them
    assert trainers[0].validate() != trainers[1].validate()


def test_columns_next_to_the_tested_ones_are_held_out(configured, archive):
    rule = {"train_months": [1, 2, 3], "test_months": [10], "kind": "spatial"}
    for train, test, held in (
        ([-180, 90], [90, 180], (54, 90)),
        ([-90, 180], [-180, -90], (-90, -36)),
    ):
        config = configured({**rule, "train_longitudes": train, "test_longitudes": test})
        chosen = choose_validation(config, archive).config
        first, last = chosen.validation.held_out_longitudes
        split = split_archive(config, archive)
        assert split.held_out and (first in train or last in train) and first < last
        assert held[0] <= first < last <= held[1] or (last - first) <= 72
        columns = set(range(*split.train.columns)) & set(range(*split.validation.columns))
        assert not columns
        gap = {split.validation.columns[1] - split.test.columns[0]}
        gap |= {split.test.columns[1] - split.validation.columns[0]}
        assert 0 in gap  # between training and test


def test_blocks_of_the_split_validate_too(configured, archive):
    blocks = {"size": 2, "test": 0.2, "seed": 1}
    months = [1, 2, 3]
    config = configured({"kind": "temporal", "train": months, "test": months, "blocks": blocks})
    chosen = choose_validation(config, archive).config
    assert chosen.split.blocks.validation == 0.2 and chosen.split.blocks.test == 0.2
    split = split_archive(config, archive)
    before = split_archive(configured(config.split.model_dump(), where="training"), archive)
    np.testing.assert_array_equal(split.test.cells, before.test.cells)  # the test stays what it was
    assert split.held_out and not before.held_out


def test_what_is_too_small_is_said(configured, archive):
    data = dated(archive, days("2001-01-01", 4))
    data = replace(data, coarse=np.where(np.arange(20) < 1, data.coarse, np.nan))
    config = configured(
        {"kind": "period", "train": [["2001-01-01", "2001-01-03"]], "test": [["2001-01-04"] * 2]}
    )
    chosen = choose_validation(config, data)
    assert chosen.config.validation.where == "training" and not chosen.told
    (doubt,) = chosen.doubts
    assert "3 dates" in doubt and "judge nothing" in doubt
    assert not split_archive(config, data).held_out


def test_training_is_validated_on_where_it_is_asked_for(configured, archive):
    config = configured({"kind": "temporal", "train": [1, 2, 3, 4, 5, 6], "test": [9]}, where="training")
    assert choose_validation(config, archive).config is config
    split = split_archive(config, archive)
    assert split.validation == split.train and not split.held_out


@pytest.mark.parametrize(
    ("validation", "words"),
    [
        ({"where": "training", "held_out": [3]}, "holds nothing out"),
        ({"where": "somewhere"}, "validation.where"),
        ({"gap_days": 3}, "gap_days"),
        ({"cells": {"size": 2}}, "validation.cells.share"),
    ],
)
def test_what_does_not_go_together_is_refused(configured, validation, words):
    with pytest.raises(InputError, match=words):
        configured({"kind": "temporal", "train": [1, 2, 3], "test": [9]}, **validation)
