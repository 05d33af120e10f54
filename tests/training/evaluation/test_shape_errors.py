"""Intervals of distances between distributions and between spectra: values, known orders, wrong pairs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from training.evaluation.shape_errors import MEASURES, ShapeErrors, shape_intervals
from training.metrics.distribution.js_distance import JensenShannonDistance
from training.metrics.structure.spectral_distance import SpectralLogDistance

DATES = 16


@pytest.fixture(scope="module")
def fields():
    """A rough truth; a little and a lot of smoothing of something like it."""
    rng = np.random.default_rng(0)
    truth, like = (
        np.exp(ndimage.gaussian_filter(rng.normal(0, 4, (DATES, 24, 36)), (0, 1, 1))) for _ in "ab"
    )
    truth[3, 2:6, 4:9] = np.nan
    return truth, *(ndimage.gaussian_filter(like, (0, s, s)) for s in (0.4, 1.5))


def gathered(predictions, truth):
    errors = ShapeErrors(0.0, 8.0, 2)
    for time, (one, other) in enumerate(zip(predictions, truth)):
        errors.update(time, one, other)
    return errors


def values(prediction, truth):
    js, spectral = JensenShannonDistance(0.0, 8.0), SpectralLogDistance()
    js.update(prediction, truth)
    spectral.update(prediction, truth)
    return {"js_distance": js.compute(), "ralsd": spectral.compute()}


@pytest.mark.parametrize("measure", MEASURES)
def test_values_are_the_metrics_and_the_worse_is_found(fields, measure):
    truth, near, far = fields
    a, b = gathered(near, truth), gathered(far, truth)
    expected = [values(f, truth)[measure] for f in (near, far)]
    difference, ratio = shape_intervals(a, b, measure, samples=300)
    assert difference.value == pytest.approx(expected[0] - expected[1])
    assert ratio.value == pytest.approx(expected[0] / expected[1])
    assert difference.low < difference.value < difference.high < 0
    assert ratio.low < ratio.value < ratio.high < 1


@pytest.mark.parametrize("measure", MEASURES)
def test_identical_methods_do_not_differ(fields, measure):
    truth, near, _ = fields
    a, b = gathered(near, truth), gathered(near.copy(), truth)
    assert shape_intervals(a, b, measure, samples=50) == ((0, 0, 0), (1, 1, 1))


def test_places_without_truth_are_not_drawn(fields):
    truth, near, far = (f.copy() for f in fields)
    truth[:, :, 20:] = np.nan
    found = shape_intervals(gathered(near, truth), gathered(far, truth), samples=300).difference
    expected = [values(f, truth)["js_distance"] for f in (near, far)]
    assert found.value == pytest.approx(expected[0] - expected[1])
    assert np.isfinite([found.low, found.high]).all()


def test_wrong_use_is_refused(fields):
    truth, near, far = fields
    a = gathered(near, truth)
    with pytest.raises(ValueError, match="no rmse"):
        shape_intervals(a, a, "rmse")
    with pytest.raises(ValueError, match="no pair"):
        shape_intervals(a, gathered(far[:5], truth[:5]))
    with pytest.raises(ValueError, match="no pair"):
        shape_intervals(a, gathered(far, truth * 1.5))
    with pytest.raises(ValueError, match="before"):
        a.update(0, near[0], truth[0])
