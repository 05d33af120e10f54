"""Bootstrap intervals: coverage on data of known correlation, known shifts, identical methods."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.block_errors import BlockErrors, interval, paired_interval, paired_intervals
from training.evaluation.bootstrap import block_length, date_weights, two_way_interval, two_way_intervals

DATES, PLACES = 150, 25


def series(rng, count, memory):
    """A series of variance 1 with an exponential autocorrelation."""
    values = rng.normal(0, 1, count)
    for index in range(1, count):
        values[index] = memory * values[index - 1] + np.sqrt(1 - memory**2) * values[index]
    return values


def fields(rng, shift=1.0, common=2.0, dates=12, shape=(24, 32)):
    """A truth and two predictions: `b` errs as `a` does, plus noise that differs, times `shift`."""
    truth = rng.gamma(2, 5, (dates, *shape))
    shared = common * rng.normal(0, 1, truth.shape)
    return truth, truth + shared, truth + shift * (shared + 0.1 * rng.normal(0, 1, truth.shape))


def gathered(predictions, truth, block=2):
    errors = BlockErrors(2, block)
    for time, (prediction, one) in enumerate(zip(predictions, truth)):
        errors.update(time, prediction, one)
    return errors


@pytest.mark.parametrize(
    ("of_dates", "of_places", "of_neither", "memory"),
    [(1, 0, 1, 0), (1, 0, 0.5, 0.6), (0, 1, 1, 0), (0.5, 0.5, 2, 0.3), (0, 0, 1, 0)],
)
def test_intervals_cover_the_true_mean_about_as_often_as_they_say(of_dates, of_places, of_neither, memory):
    rng = np.random.default_rng(11)
    hits = 0
    for _ in range(200):
        table = (
            of_dates * series(rng, DATES, memory)[:, None]
            + of_places * rng.normal(0, 1, PLACES)
            + of_neither * rng.normal(0, 1, (DATES, PLACES))
        )
        found = two_way_interval([table, np.ones_like(table)], lambda t: t[0] / t[1], samples=200)
        hits += found.low <= 0 <= found.high
    assert 0.86 <= hits / 200 <= 0.995


def test_values_are_those_of_the_whole():
    truth, first, second = fields(np.random.default_rng(0))
    truth[3, :5] = np.nan
    valid = np.isfinite(truth)
    a, b = gathered(first, truth), gathered(second, truth)
    error_a, error_b = (first - truth)[valid], (second - truth)[valid]
    rmse_a, rmse_b = (np.sqrt(np.mean(e**2)) for e in (error_a, error_b))
    assert paired_interval(a, b).value == pytest.approx(rmse_a - rmse_b)
    assert paired_interval(a, b, "rmse", "ratio").value == pytest.approx(rmse_a / rmse_b)
    assert paired_interval(a, b, "bias").value == pytest.approx(error_a.mean() - error_b.mean())
    mixed = paired_interval(a, b, "rmse", "ratio", other="mae")
    assert mixed.value == pytest.approx(rmse_a / np.abs(error_b).mean())
    alone = interval(a, "mae")
    assert alone.value == pytest.approx(np.abs(error_a).mean())
    assert alone.low < alone.value < alone.high


@pytest.mark.parametrize("measure", ["rmse", "mae", "bias"])
def test_identical_methods_do_not_differ(measure):
    truth, first, _ = fields(np.random.default_rng(1))
    a, b = gathered(first, truth), gathered(first.copy(), truth)
    assert paired_interval(a, b, measure) == (0, 0, 0)
    assert paired_interval(a, b, measure, "ratio") == (1, 1, 1)
    assert paired_intervals(a, b, measure) == ((0, 0, 0), (1, 1, 1))


def test_a_known_shift_is_found_and_pairing_makes_it_plain():
    truth, first, second = fields(np.random.default_rng(2), shift=1.05)
    a, b = gathered(first, truth), gathered(second, truth)
    ratio = paired_interval(b, a, "rmse", "ratio")
    assert ratio.low < 1.05 * np.sqrt(1 + 0.05**2) < ratio.high
    assert ratio.low > 1
    difference = paired_interval(a, b)
    assert difference.low < difference.value < difference.high < 0
    alone = interval(a)
    assert alone.high - alone.low > 3 * (difference.high - difference.low)


def test_the_same_seed_gives_the_same_interval_and_a_higher_level_a_wider_one():
    truth, first, second = fields(np.random.default_rng(3))
    a, b = gathered(first, truth), gathered(second, truth)
    found = paired_interval(a, b, seed=4)
    assert paired_interval(a, b, seed=4) == found
    assert paired_interval(a, b, seed=5).low != found.low
    wider = paired_interval(a, b, seed=4, level=0.99)
    assert wider.low < found.low and wider.high > found.high


def test_autocorrelated_dates_widen_the_interval():
    rng = np.random.default_rng(6)
    table = np.repeat(series(rng, 200, 0.9)[:, None], 4, 1)
    mean = lambda t: t[0] / t[1]  # noqa: E731
    tables = [table, np.ones_like(table)]
    alone, together = (two_way_interval(tables, mean, 500, length=n) for n in (1, 30))
    assert together.high - together.low > 2 * (alone.high - alone.low)
    chosen = two_way_interval(tables, mean, 500)
    assert chosen.high - chosen.low > 2 * (alone.high - alone.low)


def test_block_length_follows_the_autocorrelation():
    rng = np.random.default_rng(7)
    lengths = [np.mean([block_length(series(rng, 365, m)) for _ in range(20)]) for m in (0, 0.5, 0.9)]
    assert lengths[0] < 4 < lengths[1] < lengths[2] <= 58
    assert block_length(np.arange(3.0)) == block_length(np.ones(100)) == 1


def test_dates_are_drawn_in_runs_of_neighbours():
    weights = date_weights(np.random.default_rng(8), 50, 12, 4)
    assert (weights.sum(1) == 12).all()
    assert weights.mean(0) == pytest.approx(np.ones(12), abs=0.5)
    single = date_weights(np.random.default_rng(8), 50, 12, 12)
    assert (single == 1).all()  # one block goes round all dates


def test_merged_halves_are_the_whole():
    truth, first, second = fields(np.random.default_rng(9))
    truth[5, 3, 3] = np.nan
    whole = gathered(first, truth)
    left, right = BlockErrors(2, 2), BlockErrors(2, 2)
    for time in range(12):
        (right if time % 2 else left).update(time, first[time], truth[time])
    merged = BlockErrors(2)
    merged.merge(right)
    merged.merge(left)
    reference = gathered(second, truth)
    assert paired_interval(merged, reference) == paired_interval(whole, reference)
    with pytest.raises(ValueError, match="different blocks"):
        merged.merge(gathered(first, truth, 3))


def test_blocks_are_squares_of_coarse_cells_and_more_than_a_few():
    errors = BlockErrors(4)
    errors.add(0, "crps", np.ones((1, 90 * 4, 180 * 4)))
    assert errors.block == 8
    cells = errors.table("crps")[1][1]
    assert cells.shape == (1, 12 * 23) and cells[0, 0] == 32 * 32 and cells.sum() == 90 * 180 * 16
    small = BlockErrors(4)
    small.add(0, "crps", np.ones((10 * 4, 10 * 4)))
    assert small.block == 2


def test_a_place_without_any_cell_is_not_drawn():
    rng = np.random.default_rng(10)
    truth, first, second = fields(rng)
    shown = paired_interval(
        gathered(first[..., :16], truth[..., :16]), gathered(second[..., :16], truth[..., :16])
    )
    truth[..., 16:] = np.nan
    hidden = paired_interval(gathered(first, truth), gathered(second, truth))
    assert hidden == pytest.approx(shown)


def test_one_date_and_one_place_have_no_interval():
    truth, first, second = fields(np.random.default_rng(12), dates=1, shape=(4, 4))
    found = paired_interval(gathered(first, truth), gathered(second, truth))
    assert np.isfinite(found.value) and np.isnan(found.low) and np.isnan(found.high)
    table = np.arange(6.0)[:, None]
    assert np.isnan(two_way_interval([table], lambda t: t[0], length=6).low)


def test_wrong_use_is_refused():
    truth, first, second = fields(np.random.default_rng(13))
    a = gathered(first, truth)
    with pytest.raises(ValueError, match="no crps"):
        paired_interval(a, a, "crps")
    with pytest.raises(ValueError, match="no pair"):
        paired_interval(a, gathered(second[:5], truth[:5]))
    second[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="no pair"):
        paired_interval(a, gathered(second, truth))
    with pytest.raises(ValueError, match="differ in shape"):
        a.update(0, truth[0], truth)
    with pytest.raises(ValueError, match="no common blocks"):
        a.update(20, truth[0, :4], truth[0, :4])
    with pytest.raises(ValueError, match="nothing to draw"):
        two_way_interval([np.zeros((0, 3))], lambda t: t[0])


def test_statistics_computed_together_have_the_intervals_that_each_has_alone():
    rng = np.random.default_rng(2)
    slow = np.cumsum(rng.normal(0, 1, (40, 1)), 0)  # remembers, so its blocks of dates are longer
    tables = [slow + rng.normal(3, 1, (40, 6)), rng.normal(5, 1, (40, 6))]

    def both(totals):
        return np.stack([totals[0] / 240, totals[1] / 240], -1)

    together = two_way_intervals(tables, both, 300)
    alone = [two_way_interval(tables, lambda t, i=i: both(t)[:, i], 300) for i in (0, 1)]
    assert together == alone and together[0].high > together[0].value > together[0].low
