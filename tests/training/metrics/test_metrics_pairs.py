"""Moments and distributions, streamed, against numpy and SciPy over the whole arrays."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from training.metrics.distribution.kl_divergence import KullbackLeiblerDivergence
from training.metrics.distribution.perkins import PerkinsSkillScore
from training.metrics.distribution.quantile_bias import QuantileBias
from training.metrics.distribution.scale import truth_scale
from training.metrics.distribution.wasserstein import WassersteinDistance
from training.metrics.pointwise.kling_gupta import KlingGuptaEfficiency
from training.metrics.pointwise.nash_sutcliffe import NashSutcliffeEfficiency
from training.metrics.pointwise.pearson import PearsonCorrelation
from training.metrics.registry import FURTHER_METRICS


@pytest.fixture
def fields():
    rng = np.random.default_rng(1)
    truth = rng.gamma(0.5, 40.0, (4, 40, 50))
    prediction = truth * rng.uniform(0.7, 1.6, truth.shape) + rng.normal(0, 3, truth.shape)
    prediction[0, 3, 4] = np.nan
    truth[1, :5] = np.nan
    truth[2, 7, 7] = np.inf
    return prediction.astype(np.float32), truth.astype(np.float32)


def valid(prediction, truth):
    both = np.isfinite(prediction) & np.isfinite(truth)
    return prediction[both].astype(np.float64), truth[both].astype(np.float64)


def streamed(make, prediction, truth, order=(0, 1, 2, 3)):
    """Feed the fields to two instances, in some order, and merge them."""
    first, second = make(), make()
    for turn, index in enumerate(order):
        (second if turn % 2 else first).update(prediction[index], truth[index])
    first.merge(second)
    return first.compute()


def reference_kge(p, t):
    terms = np.corrcoef(p, t)[0, 1], p.std() / t.std(), p.mean() / t.mean()
    return 1 - np.linalg.norm(np.array(terms) - 1)


MOMENTS = {
    PearsonCorrelation: lambda p, t: stats.pearsonr(p, t)[0],
    NashSutcliffeEfficiency: lambda p, t: 1 - np.sum((p - t) ** 2) / np.sum((t - t.mean()) ** 2),
    KlingGuptaEfficiency: reference_kge,
}


@pytest.mark.parametrize("kind", MOMENTS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("offset", [0, 1e6])
def test_moments_match_scipy_also_far_from_zero(fields, kind, offset):
    prediction, truth = (f.astype(np.float64) + offset for f in fields)
    expected = MOMENTS[kind](*valid(prediction, truth))
    assert expected < 0.99
    assert streamed(kind, prediction, truth) == pytest.approx(expected, rel=1e-8)


def test_moments_of_known_cases():
    truth = np.arange(10.0)
    for prediction, r, nse, kge in (
        (truth, 1, 1, 1),
        (np.full(10, truth.mean()), np.nan, 0, np.nan),
        (2 * truth, 1, 1 - (truth @ truth) / (10 * truth.var()), 1 - np.sqrt(2)),
        (-truth, -1, 1 - 4 * (truth @ truth) / (10 * truth.var()), 1 - np.sqrt(8)),
    ):
        for kind, value in (
            (PearsonCorrelation, r),
            (NashSutcliffeEfficiency, nse),
            (KlingGuptaEfficiency, kge),
        ):
            metric = kind()
            metric.update(prediction, truth)
            assert metric.compute() == pytest.approx(value, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("kind", MOMENTS, ids=lambda kind: kind.__name__)
def test_a_constant_truth_has_no_efficiency(kind):
    metric = kind()
    for size in (3, 7, 11):
        metric.update(np.arange(size), np.full(size, 0.1))
    assert np.isnan(metric.compute())


def counts(fields, low, high, bins):
    return [np.histogram(np.clip(f, low, high), bins, (low, high))[0] for f in fields]


def test_kl_divergence_matches_scipy(fields):
    p, t = counts(valid(*fields), 0, 300, 100)
    expected = stats.entropy(t + 0.5, p + 0.5, base=2)
    assert expected > 0.001
    assert streamed(lambda: KullbackLeiblerDivergence(0, 300), *fields) == pytest.approx(expected, rel=1e-9)


def test_kl_divergence_is_zero_for_equal_and_finite_for_disjoint():
    same, apart = KullbackLeiblerDivergence(0, 1), KullbackLeiblerDivergence(0, 1)
    same.update([0.1, 0.6], [0.6, 0.1])
    assert same.compute() == 0
    apart.update(np.full(1000, 0.1), np.full(1000, 0.9))
    assert 5 < apart.compute() < np.log2(2001)


def test_perkins_score_matches_its_formula(fields):
    p, t = counts(valid(*fields), 0, 300, 100)
    expected = 1 - 0.5 * np.abs(p - t).sum() / t.sum()
    assert expected < 0.99
    assert streamed(lambda: PerkinsSkillScore(0, 300), *fields) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("predicted", "score"), [([0.1, 0.2], 1), ([0.1, 0.8], 0.5), ([0.8, 0.9], 0)])
def test_perkins_score_is_the_overlap(predicted, score):
    metric = PerkinsSkillScore(0, 1)
    metric.update(predicted, [0.1, 0.2])
    assert metric.compute() == pytest.approx(score)


def test_wasserstein_distance_matches_scipy_to_a_bin(fields):
    p, t = valid(*fields)
    low, high = min(p.min(), t.min()), max(p.max(), t.max())
    metric = WassersteinDistance(low, high)
    expected = stats.wasserstein_distance(p, t)
    assert expected > 50 * metric.width
    value = streamed(lambda: WassersteinDistance(low, high), *fields)
    assert value == pytest.approx(expected, abs=metric.width)


def test_wasserstein_distance_of_a_shift_is_the_shift():
    values = np.random.default_rng(2).normal(0, 1, 1000)
    metric = WassersteinDistance(-5, 10)
    metric.update(values + 3, values)
    assert metric.compute() == pytest.approx(3, abs=metric.width)


@pytest.mark.parametrize("quantile", [0.5, 0.95, 0.99])
def test_quantile_bias_matches_numpy_to_a_bin(fields, quantile):
    p, t = valid(*fields)
    make = lambda: QuantileBias(quantile, t.min(), t.max())  # noqa: E731
    expected = np.quantile(p, quantile) - np.quantile(t, quantile)
    # Beside the bin's width, quantiles of a sample are only known to the gap between neighbours.
    ranks = [np.sort(f)[[int(quantile * f.size) - 1, int(quantile * f.size) + 2]] for f in (p, t)]
    tolerance = 2 * make().width + sum(high - low for low, high in ranks)
    assert abs(expected) > 2 * tolerance
    assert streamed(make, *fields) == pytest.approx(expected, abs=tolerance)


def test_quantile_bias_sees_a_prediction_beyond_the_range():
    metric = QuantileBias(0.5, 0, 1)
    metric.update(np.full(100, 7.0), np.full(100, 0.5))
    assert metric.compute() == pytest.approx(6.5, abs=metric.width)


def test_order_and_grouping_do_not_matter(fields):
    prediction, truth = fields
    scale = truth_scale(truth)
    for name, make in FURTHER_METRICS.items():
        whole = make(scale)
        whole.update(prediction, truth)
        expected = whole.compute()
        assert np.isfinite(expected), name
        for order in ((0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)):
            found = streamed(lambda m=make: m(scale), prediction, truth, order)
            assert found == pytest.approx(expected, rel=1e-9), name


def test_cells_without_truth_do_not_matter(fields):
    prediction, truth = fields
    other = np.where(np.isfinite(truth), prediction, 1e6)
    assert (other != prediction).sum() > 100
    scale = truth_scale(truth)
    for name, make in FURTHER_METRICS.items():
        values = []
        for one in (prediction, other):
            metric = make(scale)
            metric.update(one, truth)
            values.append(metric.compute())
        assert values[0] == values[1], name


def test_nothing_seen_is_nan_not_zero(fields):
    scale = truth_scale(fields[1])
    for name, make in FURTHER_METRICS.items():
        metric = make(scale)
        metric.update(np.full((30, 30), np.nan), np.ones((30, 30)))
        metric.merge(make(scale))
        assert np.isnan(metric.compute()), name


def test_a_perfect_prediction_is_perfect(fields):
    truth = fields[1]
    scale = truth_scale(truth)
    zero = {"kl_divergence", "wasserstein", "quantile_bias_95", "quantile_bias_99", "ralsd", "ralsd_by_field"}
    for name, make in FURTHER_METRICS.items():
        metric = make(scale)
        metric.update(truth, truth)
        assert metric.compute() == pytest.approx(0 if name in zero else 1, abs=1e-12), name


def test_the_truths_scale_leaves_invalid_cells_out():
    values = np.concatenate([np.arange(1001.0), [np.nan, np.inf]])
    scale = truth_scale(values)
    assert (scale.low, scale.high) == pytest.approx((1, 999))
    assert (scale.least, scale.greatest) == (0, 1000)
    assert (scale.high_threshold, scale.extreme_threshold) == pytest.approx((950, 990))


def test_wrong_use_is_refused():
    with pytest.raises(ValueError, match="between 0 and 1"):
        QuantileBias(95, 0, 1)
    with pytest.raises(ValueError, match="quantiles"):
        QuantileBias(0.9, 0, 1).merge(QuantileBias(0.95, 0, 1))
    with pytest.raises(ValueError, match="edges"):
        WassersteinDistance(0, 1).merge(WassersteinDistance(0, 2))
    with pytest.raises(ValueError, match="shape"):
        PearsonCorrelation().update(np.zeros(3), np.zeros(4))
