"""The streaming metrics against SciPy and numpy over the whole arrays."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from training.metrics.distribution.histogram import percentile_range
from training.metrics.distribution.js_distance import JensenShannonDistance
from training.metrics.distribution.scale import TruthScale
from training.metrics.pointwise.residual import ConservationResidual
from training.metrics.registry import METRICS

SCALE = TruthScale(0.0, 1.0, 0.0, 1.0, 0.95, 0.99)


@pytest.fixture
def fields():
    rng = np.random.default_rng(1)
    truth = rng.gamma(0.5, 40.0, (3, 40, 50))
    prediction = truth * rng.uniform(0.7, 1.4, truth.shape) + rng.normal(0, 3, truth.shape)
    return prediction.astype(np.float32), truth.astype(np.float32)


def streamed(make, prediction, truth):
    """Feed the tiles to two instances and merge them."""
    first, second = make(), make()
    for index in range(3):
        for row in (slice(0, 13), slice(13, 40)):
            chosen = first if (index + row.start) % 2 else second
            chosen.update(prediction[index, row], truth[index, row])
    first.merge(second)
    return first.compute()


REFERENCES = {
    "rmse": lambda p, t: np.sqrt(np.mean((p - t) ** 2)),
    "mae": lambda p, t: np.mean(np.abs(p - t)),
    "bias": lambda p, t: np.mean(p - t),
    "conservation_residual": lambda p, t: np.abs(p - t).max(),
}


@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_means_match_numpy_and_skip_invalid_cells(fields, name):
    prediction, truth = fields
    prediction[0, 3, 4] = np.nan
    truth[1, :5] = np.nan
    valid = np.isfinite(prediction) & np.isfinite(truth)
    expected = REFERENCES[name](prediction[valid].astype(np.float64), truth[valid].astype(np.float64))
    assert streamed(lambda: METRICS[name](SCALE), prediction, truth) == pytest.approx(expected, rel=1e-9)


def test_js_distance_matches_scipy(fields):
    prediction, truth = fields
    low, high = percentile_range(truth)
    counts = [np.histogram(np.clip(f, low, high), 100, (low, high))[0] for f in (prediction, truth)]
    expected = jensenshannon(*counts, base=2)
    assert expected > 0.01
    value = streamed(lambda: JensenShannonDistance(low, high), prediction, truth)
    assert value == pytest.approx(expected, rel=1e-9)


def test_js_distance_is_zero_for_equal_and_one_for_disjoint():
    same = JensenShannonDistance(0, 1)
    same.update([0.1, 0.6], [0.1, 0.6])
    assert same.compute() == 0
    apart = JensenShannonDistance(0, 1)
    apart.update([0.1, 0.2], [0.8, 0.9])
    assert apart.compute() == pytest.approx(1)


def test_nothing_seen_is_nan_not_zero():
    for make in METRICS.values():
        assert np.isnan(make(SCALE).compute())


def test_wrong_use_is_refused():
    with pytest.raises(ValueError, match="shape"):
        ConservationResidual().update(np.zeros(3), np.zeros(4))
    with pytest.raises(ValueError, match="edges"):
        JensenShannonDistance(0, 1).merge(JensenShannonDistance(0, 2))
    with pytest.raises(ValueError, match="empty"):
        JensenShannonDistance(1, 1)
