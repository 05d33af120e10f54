"""Error by elevation band against plain numpy."""

from __future__ import annotations

import numpy as np
import pytest

from training.metrics.pointwise.bands import BandedError


@pytest.fixture
def fields():
    rng = np.random.default_rng(4)
    elevation = rng.gamma(1, 500, (20, 30))
    truth = rng.normal(10, 3, (3, 20, 30))
    prediction = truth + elevation / 1000 + rng.normal(0, 1, truth.shape)
    truth[1, :4] = np.nan
    prediction[2, 3, 3] = np.inf
    elevation[10, 10] = np.nan
    return prediction, truth, elevation


def test_bands_match_numpy(fields):
    prediction, truth, elevation = fields
    edges = (0.0, 200.0, 700.0, np.inf)
    first, second = BandedError(edges), BandedError(edges)
    first.update(prediction[:2], truth[:2], elevation)
    second.update(prediction[2, :, :7], truth[2, :, :7], elevation[:, :7])
    second.update(prediction[2, :, 7:], truth[2, :, 7:], elevation[:, 7:])
    first.merge(second)
    z = np.broadcast_to(elevation, truth.shape)
    valid = np.isfinite(prediction) & np.isfinite(truth)
    for band, low, high in zip(first.compute(), edges, edges[1:]):
        inside = valid & (z >= low) & (z < high)
        error = prediction[inside] - truth[inside]
        assert (band.low, band.high, band.count) == (low, high, inside.sum())
        assert band.count > 100
        assert band.rmse == pytest.approx(np.sqrt(np.mean(error**2)))
        assert band.mae == pytest.approx(np.mean(np.abs(error)))
        assert band.bias == pytest.approx(np.mean(error))


def test_cells_beyond_the_edges_do_not_count_and_the_last_edge_does():
    metric = BandedError([0, 1, 2])
    metric.update(np.ones(5), np.zeros(5), [-1.0, 0.0, 1.0, 2.0, 2.1])
    assert [band.count for band in metric.compute()] == [1, 2]


def test_an_empty_band_is_nan():
    metric = BandedError([0, 1, 2])
    metric.update([3.0], [1.0], [0.5])
    first, second = metric.compute()
    assert (first.rmse, first.mae, first.bias) == (2, 2, 2)
    assert second.count == 0 and np.isnan([second.rmse, second.mae, second.bias]).all()


def test_wrong_use_is_refused():
    with pytest.raises(ValueError, match="rise"):
        BandedError([1, 1])
    with pytest.raises(ValueError, match="two or more"):
        BandedError([1])
    with pytest.raises(ValueError, match="shape"):
        BandedError([0, 1]).update(np.zeros(3), np.zeros(4), np.zeros(4))
    with pytest.raises(ValueError, match="different bands"):
        BandedError([0, 1]).merge(BandedError([0, 2]))
