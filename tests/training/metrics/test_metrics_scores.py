"""The deterministic metrics against the library `scores`."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scores import continuous, spatial

from training.metrics.pointwise.bias import Bias
from training.metrics.pointwise.kling_gupta import KlingGuptaEfficiency
from training.metrics.pointwise.mae import MeanAbsoluteError
from training.metrics.pointwise.nash_sutcliffe import NashSutcliffeEfficiency
from training.metrics.pointwise.pearson import PearsonCorrelation
from training.metrics.pointwise.rmse import RootMeanSquareError
from training.metrics.structure.fractions_skill import FractionsSkillScore

PAIRS = {
    "rmse": (RootMeanSquareError, continuous.rmse),
    "mae": (MeanAbsoluteError, continuous.mae),
    "bias": (Bias, continuous.additive_bias),
    "pearson": (PearsonCorrelation, continuous.correlation.pearsonr),
    "nse": (NashSutcliffeEfficiency, continuous.nse),
    "kge": (KlingGuptaEfficiency, continuous.kge),
}


@pytest.fixture
def fields():
    """A prediction and a truth, (3, 40, 50): gamma distributed, with holes in both."""
    rng = np.random.default_rng(6)
    truth = rng.gamma(0.5, 40.0, (3, 40, 50))
    prediction = truth * rng.uniform(0.6, 1.3, truth.shape) + rng.normal(1, 3, truth.shape)
    truth[1, :5] = np.nan
    prediction[2, 7, 7] = np.nan
    return prediction, truth


@pytest.mark.parametrize("name", sorted(PAIRS))
def test_metrics_match_scores(fields, name):
    if name == "nse" and not hasattr(xr, "ufuncs"):
        pytest.skip("scores has this one with xarray 2025.1 and later only")
    prediction, truth = fields
    kind, reference = PAIRS[name]
    metric = kind()
    for p, t in zip(prediction, truth):
        metric.update(p, t)
    valid = np.isfinite(prediction) & np.isfinite(truth)
    expected = float(reference(*(xr.DataArray(f[valid], dims=["cell"]) for f in (prediction, truth))))
    assert abs(expected) > 0.01
    assert metric.compute() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("window", [3, 9])
def test_fractions_skill_matches_scores(window):
    """Inside a dry frame as wide as the window, where both treat the border alike."""
    rng = np.random.default_rng(7)
    truth, prediction = (np.pad(rng.gamma(0.5, 10.0, (30, 40)), window) for _ in range(2))
    expected = spatial.fss_2d_single_field(
        prediction,
        truth,
        event_threshold=8.0,
        window_size=(window, window),
        threshold_operator=np.greater_equal,
    )
    metric = FractionsSkillScore(8.0, window)
    metric.update(prediction, truth)
    assert 0.2 < expected < 0.99
    assert metric.compute() == pytest.approx(float(expected), rel=1e-9)
