"""Ensemble metrics against `scores`, and cases with a known answer."""

from __future__ import annotations

import numpy as np
import pytest
import scores.probability as reference
import xarray as xr
from scipy import stats

from training.metrics.distribution.scale import truth_scale
from training.metrics.ensemble.crps import ContinuousRankedProbabilityScore, crps_cells
from training.metrics.ensemble.rank_histogram import RankHistogram
from training.metrics.ensemble.reliability import Reliability
from training.metrics.ensemble.spread_skill import SpreadSkill
from training.metrics.registry import ENSEMBLE_METRICS

SETTINGS = {
    "crps": ContinuousRankedProbabilityScore,
    "crps_of_members": lambda: ContinuousRankedProbabilityScore(fair=False),
    "spread_skill": SpreadSkill,
    "rank_histogram": RankHistogram,
    "rank_histogram_untied": lambda: RankHistogram(informative=True),
    "reliability": lambda: Reliability(20.0),
}


@pytest.fixture
def ensemble():
    """Seven members and a truth, (7, 4, 20, 30) and (4, 20, 30): half dry, with some holes."""
    rng = np.random.default_rng(5)
    level = rng.gamma(0.5, 40.0, (4, 20, 30))
    truth = np.maximum(level * rng.uniform(0.5, 1.5, level.shape) - 10, 0)
    members = np.maximum(level * rng.uniform(0.6, 1.5, (7, *level.shape)) - 9, 0)
    truth[1, :5] = np.nan
    truth[2, 7, 7] = np.inf
    members[3, 0, 3, 4] = np.nan
    return members.astype(np.float32), truth.astype(np.float32)


def valid(members, truth):
    both = np.isfinite(truth) & np.isfinite(members).all(0)
    return members[:, both].astype(np.float64), truth[both].astype(np.float64)


def arrays(members, truth):
    return xr.DataArray(members, dims=["member", "cell"]), xr.DataArray(truth, dims=["cell"])


def streamed(make, members, truth, order=(0, 1, 2, 3)):
    """Feed the times to two instances, in some order, and merge them."""
    first, second = make(), make()
    for turn, index in enumerate(order):
        (second if turn % 2 else first).update(members[:, index], truth[index])
    first.merge(second)
    return first


@pytest.mark.parametrize(("fair", "method"), [(True, "fair"), (False, "ecdf")])
def test_crps_matches_scores(ensemble, fair, method):
    expected = float(reference.crps_for_ensemble(*arrays(*valid(*ensemble)), "member", method=method))
    assert expected > 1
    found = streamed(lambda: ContinuousRankedProbabilityScore(fair), *ensemble)
    assert found.compute() == pytest.approx(expected, rel=1e-9)


def test_crps_by_cell_matches_its_formula(ensemble):
    members, truth = ensemble
    apart = np.abs(members[:, None].astype(np.float64) - members[None]).sum((0, 1))
    for fair, pairs in ((True, 7 * 6), (False, 49)):
        expected = np.abs(members - truth.astype(np.float64)).mean(0) - apart / (2 * pairs)
        found = crps_cells(members, truth, fair)
        assert np.isnan(found[1, :5]).all() and np.isnan(found[2, 7, 7]) and np.isnan(found[0, 3, 4])
        kept = np.isfinite(found)
        assert kept.sum() == 4 * 600 - 150 - 2
        np.testing.assert_allclose(found[kept], expected[kept], rtol=1e-6, atol=1e-6)


def test_crps_of_one_member_is_its_absolute_error():
    metric = ContinuousRankedProbabilityScore(fair=False)
    metric.update([[1.0, 5.0, np.nan]], [3.0, 4.0, 0.0])
    assert metric.compute() == pytest.approx(1.5)


def test_fair_crps_does_not_depend_on_the_number_of_members():
    """Of a normal distribution that the truth follows, the score is σ / √π (Gneiting et al. 2005)."""
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 3, 200_000)
    for count in (2, 10):
        members = rng.normal(0, 3, (count, truth.size))
        fair, plain = ContinuousRankedProbabilityScore(), ContinuousRankedProbabilityScore(fair=False)
        fair.update(members, truth)
        plain.update(members, truth)
        assert fair.compute() == pytest.approx(3 / np.sqrt(np.pi), rel=0.01)
        assert plain.compute() == pytest.approx(3 / np.sqrt(np.pi) * (1 + 1 / count), rel=0.01)


def test_rank_histogram_matches_scores_with_ties(ensemble):
    members, truth = valid(*ensemble)
    expected = reference.rank_histogram(*arrays(members, truth), "member").values
    found = streamed(RankHistogram, *ensemble)
    np.testing.assert_allclose(found.shares(), expected, rtol=1e-9)
    assert found.compute() == pytest.approx(np.abs(expected - 1 / 8).sum())
    assert 0.05 < found.compute() < 1


def test_uninformative_cells_are_counted_and_can_be_left_out(ensemble):
    members, truth = valid(*ensemble)
    one = (members == truth).all(0)
    assert 0.1 < one.mean() < 0.9
    found = streamed(lambda: RankHistogram(informative=True), *ensemble)
    assert found.tied == pytest.approx(one.mean())
    expected = reference.rank_histogram(*arrays(members[:, ~one], truth[~one]), "member").values
    np.testing.assert_allclose(found.shares(), expected, rtol=1e-9)


def test_rank_histogram_of_known_ensembles():
    rng = np.random.default_rng(1)
    truth = rng.normal(0, 1, 40_000)
    members = rng.normal(0, 1, (9, truth.size))
    found = {}
    for name, factor, offset in (("calibrated", 1, 0), ("narrow", 0.5, 0), ("wide", 2, 0), ("low", 1, -1)):
        found[name] = RankHistogram()
        found[name].update(factor * members + offset, truth)
    counts = found["calibrated"].counts
    assert stats.chisquare(counts).pvalue > 0.001
    assert found["calibrated"].compute() < 0.03
    assert found["calibrated"].outliers() == pytest.approx(1, abs=0.05)
    assert found["narrow"].outliers() > 1.5 and found["wide"].outliers() < 0.5
    assert found["low"].shares()[-1] > 0.3 and found["low"].shares()[0] < 0.05
    assert all(found[name].compute() > 0.3 for name in ("narrow", "wide", "low"))


def test_the_least_reliable_histogram():
    metric = RankHistogram()
    metric.update(np.zeros((4, 10)), np.ones(10))
    assert metric.compute() == pytest.approx(2 - 2 / 5)
    assert metric.outliers() == pytest.approx(5 / 2)


def test_spread_skill_matches_numpy(ensemble):
    members, truth = valid(*ensemble)
    spread = np.sqrt(np.mean(members.var(0, ddof=1)))
    skill = np.sqrt(np.mean((members.mean(0) - truth) ** 2))
    found = streamed(SpreadSkill, *ensemble)
    assert found.skill() == pytest.approx(skill)
    assert found.compute() == pytest.approx(np.sqrt(8 / 7) * spread / skill)


@pytest.mark.parametrize("count", [2, 5, 50])
@pytest.mark.parametrize("factor", [0.5, 1, 2])
def test_spread_skill_of_known_ensembles(count, factor):
    """Members of deviation f beside a truth of deviation 1: f √((M + 1) / M) over √(1 + f² / M)."""
    rng = np.random.default_rng(2)
    truth = rng.normal(0, 1, 40_000)
    metric = SpreadSkill()
    metric.update(rng.normal(0, factor, (count, truth.size)), truth)
    expected = factor * np.sqrt((count + 1) / count / (1 + factor**2 / count))
    assert metric.compute() == pytest.approx(expected, rel=0.02)
    if factor == 1:
        assert expected == pytest.approx(1)


def test_spread_without_error_is_infinite_and_neither_is_nothing():
    metric = SpreadSkill()
    metric.update([[1.0], [1.0]], [1.0])
    assert np.isnan(metric.compute())
    metric.update([[0.0], [2.0]], [1.0])
    assert metric.compute() == np.inf


def test_brier_score_matches_scores(ensemble):
    members, truth = valid(*ensemble)
    score = reference.brier_score_for_ensemble(
        *arrays(members, truth), "member", 20.0, fair_correction=False
    ).item()
    terms = streamed(lambda: Reliability(20.0), *ensemble).brier()
    assert terms.score == pytest.approx(score, rel=1e-9)
    frequency = (truth >= 20).mean()
    assert terms.uncertainty == pytest.approx(frequency * (1 - frequency))
    assert terms.reliability > 1e-4 and terms.resolution > 0.01


def test_reliability_curve_by_hand():
    metric = Reliability(1.0)
    #                   0     0     1/2   1/2   1/2   1/2   1
    metric.update(
        [[0.0, 0.0, 1.0, 2.0, 0.0, 1.0, 9.0], [0.0, 0.0, 0.0, 0.0, 1.0, 0.5, 1.0]],
        [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
    )
    probability, frequency, cells = metric.curve()
    np.testing.assert_allclose(probability, [0, 0.5, 1])
    np.testing.assert_allclose(frequency, [0, 0.25, 1])
    assert cells.tolist() == [2, 4, 1]
    assert metric.compute() == pytest.approx(4 / 7 * 0.25**2)
    terms = metric.brier()
    assert terms.score == pytest.approx((4 * 0.25) / 7)


def test_probabilities_that_come_true_are_reliable():
    rng = np.random.default_rng(3)
    chance = rng.uniform(0, 1, 100_000)
    happens = lambda shape: (rng.random(shape) < chance).astype(float)  # noqa: E731
    calibrated, sure = Reliability(0.5), Reliability(0.5)
    members = happens((50, chance.size))
    truth = happens(chance.size)
    calibrated.update(members, truth)
    sure.update(np.repeat(members[:1], 50, 0), truth)
    assert calibrated.compute() < 0.002
    assert sure.compute() > 0.05


def test_a_probability_never_given_has_no_frequency():
    metric = Reliability(1.0)
    metric.update(np.zeros((3, 4)), np.zeros(4))
    assert np.isnan(metric.curve()[1][1:]).all()
    assert metric.compute() == 0


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_order_and_grouping_do_not_matter(ensemble, name):
    whole = SETTINGS[name]()
    whole.update(*ensemble)
    expected = whole.compute()
    assert np.isfinite(expected)
    for order in ((3, 2, 1, 0), (2, 0, 3, 1)):
        assert streamed(SETTINGS[name], *ensemble, order).compute() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", sorted(ENSEMBLE_METRICS))
def test_cells_without_truth_or_a_member_do_not_matter(ensemble, name):
    members, truth = ensemble
    scale = truth_scale(truth)
    kept, spoilt = ENSEMBLE_METRICS[name](scale), ENSEMBLE_METRICS[name](scale)
    kept.update(*valid(members, truth))
    other = np.where(np.isfinite(truth) & np.isfinite(members).all(0), members, 1e6)
    other[3, 0, 3, 4] = np.nan
    spoilt.update(other, truth)
    assert kept.compute() == spoilt.compute()


@pytest.mark.parametrize("name", sorted(ENSEMBLE_METRICS))
def test_nothing_seen_is_nan_not_zero(ensemble, name):
    make = ENSEMBLE_METRICS[name]
    scale = truth_scale(ensemble[1])
    metric = make(scale)
    assert np.isnan(metric.compute())
    metric.merge(make(scale))
    metric.update(np.full((3, 4), np.nan), np.ones(4))
    assert np.isnan(metric.compute())


def test_wrong_use_is_refused():
    for make in SETTINGS.values():
        with pytest.raises(ValueError, match="do not fit"):
            make().update(np.zeros((3, 4)), np.zeros(5))
        with pytest.raises(ValueError, match="do not fit"):
            make().update(np.zeros((0, 4)), np.zeros(4))
    for name in ("crps", "spread_skill"):
        with pytest.raises(ValueError, match="two members"):
            SETTINGS[name]().update(np.zeros((1, 4)), np.zeros(4))
    for name in ("rank_histogram", "reliability"):
        metric = SETTINGS[name]()
        metric.update(np.zeros((3, 4)), np.zeros(4))
        with pytest.raises(ValueError, match="4 members"):
            metric.update(np.zeros((4, 4)), np.zeros(4))
    with pytest.raises(ValueError, match="fair"):
        ContinuousRankedProbabilityScore().merge(ContinuousRankedProbabilityScore(fair=False))
    with pytest.raises(ValueError, match="thresholds"):
        Reliability(1).merge(Reliability(2))
    with pytest.raises(ValueError, match="informative"):
        RankHistogram().merge(RankHistogram(informative=True))
