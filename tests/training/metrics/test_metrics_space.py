"""Metrics of spatial structure against SciPy, plain loops and cases with a known answer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from training.metrics.structure.fractions_skill import FractionsSkillScore
from training.metrics.structure.spectral_distance import FieldSpectralLogDistance, SpectralLogDistance
from training.metrics.structure.ssim import StructuralSimilarity


@pytest.fixture
def fields():
    rng = np.random.default_rng(3)
    truth = ndimage.gaussian_filter(rng.normal(0, 1, (3, 40, 56)), (0, 2, 2)) * 30 + 10
    prediction = np.stack([np.roll(f, 2, 1) for f in truth]) * 0.9 + rng.normal(0, 1, truth.shape)
    return prediction, truth


def computed(metric, prediction, truth):
    metric.update(prediction, truth)
    return metric.compute()


def reference_spectrum(field):
    """Loop over coefficients and rings."""
    power = np.abs(np.fft.fft2(field - field.mean())) ** 2
    height, width = field.shape
    shorter = min(height, width)
    rings = [[] for _ in range(shorter)]
    for i in range(height):
        for j in range(width):
            y, x = min(i, height - i) / height, min(j, width - j) / width
            rings[round(np.sqrt(x * x + y * y) * shorter)].append(power[i, j])
    return np.array([np.mean(ring) for ring in rings[1 : shorter // 2 + 1]])


def test_spectral_distance_matches_a_loop(fields):
    prediction, truth = fields
    spectra = [np.mean([reference_spectrum(f) for f in side], 0) for side in (prediction, truth)]
    expected = np.sqrt(np.mean((10 * np.log10(spectra[1] / spectra[0])) ** 2))
    assert expected > 1
    metric = SpectralLogDistance()
    assert computed(metric, prediction, truth) == pytest.approx(expected, rel=1e-9)
    for found, spectrum in zip(metric.spectra(), spectra):
        np.testing.assert_allclose(found, spectrum, rtol=1e-9)


def test_spectral_distance_of_twice_the_amplitude_is_six_decibels(fields):
    truth = fields[1]
    assert computed(SpectralLogDistance(), 2 * truth, truth) == pytest.approx(20 * np.log10(2))
    assert computed(SpectralLogDistance(), truth + 100, truth) == pytest.approx(0, abs=1e-9)


def test_a_wave_has_its_power_at_its_wavenumber():
    wave = 3 * np.cos(2 * np.pi * 5 * np.arange(32) / 32) * np.ones((32, 1))
    metric = SpectralLogDistance()
    metric.update(wave, wave)
    spectrum = metric.spectra()[0]
    assert spectrum.argmax() == 5 - 1
    assert np.delete(spectrum, 4).max() < 1e-20 * spectrum[4]


def test_a_smooth_prediction_lacks_power_and_a_constant_one_has_none(fields):
    truth = fields[1]
    metric = SpectralLogDistance()
    distance = computed(metric, ndimage.gaussian_filter(truth, (0, 1, 1)), truth)
    smooth, rough = metric.spectra()
    assert distance > 1 and (smooth[2:] < rough[2:]).all()
    assert computed(SpectralLogDistance(), np.full_like(truth, 0.1), truth) == np.inf
    assert np.isnan(computed(SpectralLogDistance(), truth, np.full_like(truth, 0.1)))


def test_field_by_field_errors_of_opposite_sign_do_not_cancel(fields):
    truth = np.stack([fields[1][0], fields[1][0]])
    prediction = truth * np.array([0.5, np.sqrt(2 - 0.25)])[:, None, None]  # half, and what makes up for it
    assert computed(SpectralLogDistance(), prediction, truth) == pytest.approx(0, abs=1e-9)
    each = [20 * np.log10(2), 10 * np.log10(1.75)]
    assert computed(FieldSpectralLogDistance(), prediction, truth) == pytest.approx(np.mean(each))
    bare = np.zeros_like(truth[:1])  # a truth that does not vary does not count
    with_bare = [np.concatenate([bare, f]) for f in (prediction, truth)]
    assert computed(FieldSpectralLogDistance(), *with_bare) == pytest.approx(np.mean(each))
    first, second = FieldSpectralLogDistance(), FieldSpectralLogDistance()
    first.update(prediction[0], truth[0])
    second.update(prediction[1], truth[1])
    first.merge(second)
    assert first.compute() == pytest.approx(np.mean(each))


def test_spectra_of_different_sizes_are_not_mixed(fields):
    metric, other = SpectralLogDistance(), SpectralLogDistance()
    metric.update(*fields)
    with pytest.raises(ValueError, match="no common spectrum"):
        metric.update(np.eye(9), np.eye(9))
    other.update(np.eye(9), np.eye(9))
    with pytest.raises(ValueError, match="no common spectrum"):
        metric.merge(other)


@pytest.mark.parametrize("window", [1, 5, 17])
@pytest.mark.parametrize("threshold", [12, 20])
def test_fractions_skill_matches_scipy_also_with_holes(fields, threshold, window):
    prediction, truth = fields
    truth[1, 10:14, 20:30] = np.nan
    prediction[2, 5, 5] = np.nan
    apart = reference = 0.0
    for p, t in zip(prediction, truth):
        valid = np.isfinite(p) & np.isfinite(t)
        share = ndimage.uniform_filter(valid.astype(float), window, mode="constant")
        events = [((f >= threshold) & valid).astype(float) for f in (p, t)]
        f_p, f_t = (ndimage.uniform_filter(e, window, mode="constant")[valid] / share[valid] for e in events)
        apart += np.sum((f_p - f_t) ** 2)
        reference += np.sum(f_p**2 + f_t**2)
    expected = 1 - apart / reference
    assert 0.1 < expected < 0.99
    assert computed(FractionsSkillScore(threshold, window), prediction, truth) == pytest.approx(
        expected, rel=1e-9
    )


def test_fractions_skill_forgives_a_shift_within_the_window():
    truth = np.zeros((30, 30))
    truth[15, 15] = 1
    shifted = np.roll(truth, 2, 1)
    assert computed(FractionsSkillScore(1, 1), shifted, truth) == 0
    # Two 5 × 5 windows of equal share, of whose 25 cells 15 are common.
    assert computed(FractionsSkillScore(1, 5), shifted, truth) == pytest.approx(15 / 25)
    # Two 3 × 3 windows that share one column of three.
    assert computed(FractionsSkillScore(1, 3), shifted, truth) == pytest.approx(3 / 9)
    assert np.isnan(computed(FractionsSkillScore(2, 5), shifted, truth))


def reference_ssim(p, t, data_range):
    def smooth(field):
        return ndimage.gaussian_filter(field, 1.5, truncate=3.5)[5:-5, 5:-5]

    mean_p, mean_t = smooth(p), smooth(t)
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    covariance = smooth(p * t) - mean_p * mean_t
    variances = smooth(p * p) - mean_p**2 + smooth(t * t) - mean_t**2
    luminance = (2 * mean_p * mean_t + c1) / (mean_p**2 + mean_t**2 + c1)
    return (luminance * (2 * covariance + c2) / (variances + c2)).mean()


def test_similarity_matches_scipy(fields):
    prediction, truth = fields
    data_range = np.ptp(truth)
    expected = np.mean([reference_ssim(p, t, data_range) for p, t in zip(prediction, truth)])
    assert 0.1 < expected < 0.95
    assert computed(StructuralSimilarity(data_range), prediction, truth) == pytest.approx(expected, rel=1e-9)


def test_similarity_with_holes_matches_a_loop(fields):
    prediction, truth = (f[0, :20, :24].copy() for f in fields)
    truth[8:11, 9:15] = np.nan
    prediction[15, 2] = np.nan
    valid = np.isfinite(truth) & np.isfinite(prediction)
    kernel = np.exp(-np.add.outer(np.arange(-5, 6) ** 2, np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    c1, c2, values = 0.2**2, 0.6**2, []
    for i in range(5, 15):
        for j in range(5, 19):
            if not valid[i, j]:
                continue
            window = np.s_[i - 5 : i + 6, j - 5 : j + 6]
            some = valid[window]
            p, t = prediction[window][some], truth[window][some]
            (vp, c), (_, vt) = np.cov(p, t, ddof=0, aweights=kernel[some])
            mp, mt = (np.average(f, weights=kernel[some]) for f in (p, t))
            values.append((2 * mp * mt + c1) * (2 * c + c2) / ((mp**2 + mt**2 + c1) * (vp + vt + c2)))
    assert computed(StructuralSimilarity(20), prediction, truth) == pytest.approx(np.mean(values), rel=1e-9)


def test_similarity_of_constants_is_that_of_their_means():
    ones = np.ones((12, 12))
    expected = (2 * 3 + 0.01**2) / (1 + 9 + 0.01**2)
    assert computed(StructuralSimilarity(1), 3 * ones, ones) == pytest.approx(expected)


def test_similarity_needs_a_window():
    assert np.isnan(computed(StructuralSimilarity(1), np.ones((10, 30)), np.ones((10, 30))))


def test_wrong_use_is_refused():
    with pytest.raises(ValueError, match="odd"):
        FractionsSkillScore(1, 4)
    with pytest.raises(ValueError, match="thresholds or windows"):
        FractionsSkillScore(1, 3).merge(FractionsSkillScore(1, 5))
    with pytest.raises(ValueError, match="range"):
        StructuralSimilarity(0)
    with pytest.raises(ValueError, match="ranges"):
        StructuralSimilarity(1).merge(StructuralSimilarity(2))
    for metric in (SpectralLogDistance(), FractionsSkillScore(1, 3), StructuralSimilarity(1)):
        with pytest.raises(ValueError, match="two dimensions"):
            metric.update(np.zeros(3), np.zeros(3))
        with pytest.raises(ValueError, match="differ in shape"):
            metric.update(np.zeros((3, 4)), np.zeros((4, 3)))
