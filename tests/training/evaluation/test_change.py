"""The change signal: what methods make of the truth's change from training to test dates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.errors import InputError
from engine.specs import TargetSpec
from training.data.archive import Archive, block_mean
from training.data.patches import View
from training.data.region import Region
from training.data.split import Split
from training.evaluation.change import change_signal
from training.evaluation.predict import Case
from training.evaluation.tables import change_table

TARGET = TargetSpec("temperature", "degC")
WARMING = 3.0
TIMES = 40  # of each period


@pytest.fixture
def warming(make) -> Archive:
    """Two periods of days, the second 3 warmer, more so in the odd rows; it warms by 1 a decade within."""
    rng = np.random.default_rng(0)
    small = make(height=4, width=5, wrap=False)
    later = np.arange(2 * TIMES) >= TIMES
    year = np.where(later, 2080, 1980) + np.arange(2 * TIMES) % TIMES // 4
    month = np.arange(2 * TIMES) % 4 + 1
    fine = rng.normal(0, 1, (TIMES, 8, 10))
    fine = np.concatenate([fine, fine + WARMING])
    fine[later, 1::2] += 1
    fine[later, ::2] -= 1
    fine[later] += ((year - 2080 + (month - 1) / 12) / 10)[later, None, None]
    return replace(
        small,
        units="degC",
        fine=fine.astype(np.float32),
        coarse=block_mean(fine.astype(np.float32), 2),
        months=month,
        days=month * 30,
        dates=tuple(f"{y}-{m:02d}" for y, m in zip(year, month)),
        sources={},
    )


def split_of(archive: Archive, **changes) -> Split:
    columns = (0, archive.shape[1])
    train, test = Region(tuple(range(TIMES)), columns), Region(tuple(range(TIMES, 2 * TIMES)), columns)
    view = View(())
    return replace(Split(train, train, test, view, view, False), **changes)


def case(name: str, strength: float, damping: float = 1.0, group: str = "simple") -> tuple[Case, TargetSpec]:
    """Repeats the coarse value, its distance from zero damped."""

    def predict(patch) -> torch.Tensor:
        return damping * patch.target.repeat_interleave(2, -1).repeat_interleave(2, -2)

    return Case(name, name.title(), predict, 0, View(()), strength, group=group), TARGET


def test_conservation_keeps_the_change_that_a_damping_method_loses(warming: Archive) -> None:
    told = change_signal([case("model", 1.0, 0.6, "model")], warming, split_of(warming))
    kept, free = told.methods
    assert (kept.name, free.name) == ("model", "model-free")
    truth = WARMING + np.mean([(i // 4 + i % 4 / 12) / 10 for i in range(TIMES)])
    assert told.coarse == pytest.approx(truth, abs=1e-4)
    mean, damped = kept.signal("mean"), free.signal("mean")
    assert mean.truth == pytest.approx(truth, abs=1e-4)
    assert (mean.mean, damped.mean) == pytest.approx((truth, 0.6 * truth), abs=1e-4)
    assert mean.rmse == pytest.approx(1, abs=1e-4)  # the rows' own part, which no coarse cell shows
    assert damped.rmse == pytest.approx(np.hypot(1, 0.4 * truth), abs=1e-3)
    assert damped.kept == pytest.approx(0.6 * mean.kept, abs=1e-4)
    assert kept.coarse_gap < 1e-4 and free.coarse_gap == pytest.approx(0.4 * truth, abs=1e-3)
    assert (told.earlier, told.later) == (("1980-01", "1989-04", 40), ("2080-01", "2089-04", 40))


def test_the_earlier_period_can_be_named(warming: Archive) -> None:
    told = change_signal([case("plain", 1.0)], warming, split_of(warming), earlier=("1985-01", "2085-12"))
    assert told.earlier == ("1985-01", "1989-04", 20)  # without the test's own dates


def test_trends_and_quantiles_are_those_of_numpy(warming: Archive) -> None:
    (one,) = change_signal([case("plain", 0.0)], warming, split_of(warming)).methods
    years = np.array([int(d[:4]) + (int(d[5:]) - 0.5) / 12 for d in warming.dates[TIMES:]])
    truth = warming.fine[TIMES:].reshape(TIMES, -1)
    made = warming.coarse[TIMES:].repeat(2, 1).repeat(2, 2).reshape(TIMES, -1)
    trends = [10 * np.polyfit(years - years.mean(), v.astype(float), 1)[0] for v in (made, truth)]
    signal = one.signal("trend")
    assert signal.truth == pytest.approx(trends[1].mean(), abs=1e-4)
    assert signal.rmse == pytest.approx(np.sqrt(np.mean((trends[0] - trends[1]) ** 2)), abs=1e-4)
    quantiles = [np.quantile(part.reshape(TIMES, -1), 0.95, axis=0) for part in np.split(warming.fine, 2)]
    assert one.signal("q95").truth == pytest.approx((quantiles[1] - quantiles[0]).mean(), abs=1e-4)
    with pytest.raises(KeyError):
        one.signal("q42")


def test_cells_without_truth_do_not_count(warming: Archive) -> None:
    whole = change_signal([case("plain", 1.0)], warming, split_of(warming)).methods[0]
    holed = warming.fine.copy()
    holed[:, :2, :2] = np.nan
    holed[3, 4, 4] = np.nan
    told = change_signal([case("plain", 1.0)], replace(warming, fine=holed), split_of(warming))
    assert told.methods[0].rmse == pytest.approx(whole.rmse, rel=0.1)
    assert np.isfinite([s.rmse for s in told.methods[0].signals]).all()
    assert "The coarse field" in change_table(told, "degC") and "+3." in change_table(told, "degC")


def test_without_two_periods_of_the_same_cells_it_is_refused(warming: Archive) -> None:
    split = split_of(warming)
    apart = split_of(warming, test=replace(split.test, columns=(0, 2)))
    with pytest.raises(InputError, match="the split holds out space"):
        change_signal([case("plain", 1.0)], warming, apart)
    short = split_of(warming, test=replace(split.test, times=(50, 51)))
    with pytest.raises(InputError, match="two periods of years, of 10 dates"):
        change_signal([case("plain", 1.0)], warming, short)
