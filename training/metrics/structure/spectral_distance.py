"""Radially averaged power spectra of prediction and truth, and their log distance."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from training.metrics.metric import Metric
from training.metrics.shown import Shown
from training.metrics.structure.field import Field
from training.metrics.structure.fields import field_pairs


def radial_bins(shape: tuple[int, int]) -> np.ndarray:
    """Return each Fourier coefficient's ring, (h, w) integers: cycles over the shorter side, rounded."""
    fy, fx = np.fft.fftfreq(shape[0]), np.fft.fftfreq(shape[1])
    return np.rint(np.hypot(fy[:, None], fx[None, :]) * min(shape)).astype(np.int64)


@lru_cache(maxsize=4)
def _rings(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return each coefficient's ring, flat, one for all beyond the last whole one, and their sizes."""
    last = min(shape) // 2
    rings = np.minimum(radial_bins(shape).ravel(), last + 1)
    return rings, np.bincount(rings, minlength=last + 2)[1:-1]


def radial_spectrum(field: Field) -> np.ndarray:
    """Return the mean power of an (h, w) field at wavenumbers 1 … half of the shorter side."""
    return field.once("spectrum", lambda: _spectrum(field.values))


def _spectrum(values: np.ndarray) -> np.ndarray:
    rings, sizes = _rings((values.shape[0], values.shape[1]))
    # Against one of its own values first: a constant field then has exactly no power.
    values = values - values[np.isfinite(values)][0]
    anomaly = np.nan_to_num(values - np.nanmean(values))
    power = np.abs(np.fft.fft2(anomaly)) ** 2
    return np.bincount(rings, power.ravel(), len(sizes) + 2)[1:-1] / sizes


def log_distance(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Return the root mean square of 10 log10 (prediction / truth) of two spectra, where the truth has power.

    NaN where it has none, infinity where the prediction lacks power that the truth has.
    """
    some = truth > 0
    if not some.any():
        return float("nan")
    with np.errstate(divide="ignore"):
        decibels = 10 * np.log10(prediction[some] / truth[some])
    return math.sqrt(float(np.mean(decibels**2)))


class SpectralLogDistance(Metric):
    """Radially averaged log spectral distance (RALSD), in dB: 0 is a truth-like spectrum at all scales.

    √ mean over k of (10 log10(P_t(k) / P_p(k)))², with P(k) = |FFT|² averaged over the ring of
    wavenumber k, k = 1 … half of the shorter side (the mean, k = 0, is left out), and then over all
    fields seen. Rings in which the truth has no power are left out. `update` takes whole fields of one
    shape. Invalid cells get their own field's mean, in both, so the mask acts on both spectra alike.
    Harris, L. et al. (2022), A generative deep learning approach to stochastic downscaling of
    precipitation forecasts; their code takes the distance field by field, leaves dry fields out and
    averages. Taken of the mean spectra it needs no limit of dryness, but wet fields weigh more.
    """

    SHOWN = Shown("RALSD", "{:.3f}", units="dB")

    def __init__(self) -> None:
        self.shape: tuple[int, int] | None = None
        self.count = 0
        self.power = np.zeros((2, 0))  # summed over fields: of prediction and of truth, k = 1 …

    def update(self, prediction: ArrayLike, truth: ArrayLike) -> None:
        """Take in whole fields, (…, h, w).

        Raises:
            ValueError: the shape is not that of the fields before.
        """
        for p, t in field_pairs(prediction, truth):
            if t.valid.any():
                self._take(radial_spectrum(p), radial_spectrum(t), p.shape)

    def _take(self, prediction: np.ndarray, truth: np.ndarray, shape: tuple[int, ...]) -> None:
        self._take_shape(shape)
        self.power += [prediction, truth]
        self.count += 1

    def _take_shape(self, shape: tuple[int, ...]) -> None:
        if self.shape is None:
            self.shape = (shape[0], shape[1])
            self.power = np.zeros((2, min(self.shape) // 2))
        elif self.shape != shape:
            raise ValueError(f"fields of {self.shape} and of {shape} have no common spectrum")

    def merge(self, other: SpectralLogDistance) -> None:
        """Take in everything that `other` took in.

        Raises:
            ValueError: the other's fields have another shape.
        """
        if other.shape is not None:
            self._take_shape(other.shape)
            self.power += other.power
            self.count += other.count

    def spectra(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean power at k = 1 … of prediction and of truth, in squared units of the target."""
        p, t = self.power / self.count if self.count else self.power
        return p, t

    def compute(self) -> float:
        """Return the distance in dB; NaN without a varying truth, infinity where a ring got no power."""
        return log_distance(*self.spectra())


class FieldSpectralLogDistance(SpectralLogDistance):
    """Mean over fields of each one's log spectral distance (RALSD), in dB, as Harris et al. (2022) take it.

    Too much power at one date does not make up for too little at another, as it does in the mean
    spectra; in return every field counts alike, however little there is in it. Fields whose truth does
    not vary are left out.
    """

    SHOWN = Shown("RALSD by field", "{:.3f}", units="dB")

    def __init__(self) -> None:
        super().__init__()
        self.total = 0.0

    def _take(self, prediction: np.ndarray, truth: np.ndarray, shape: tuple[int, ...]) -> None:
        distance = log_distance(prediction, truth)
        if not math.isnan(distance):
            super()._take(prediction, truth, shape)
            self.total += distance

    def merge(self, other: SpectralLogDistance) -> None:
        """Take in everything that `other` took in.

        Raises:
            ValueError: the other's fields have another shape.
            TypeError: it is another metric.
        """
        if not isinstance(other, FieldSpectralLogDistance):
            raise TypeError("only the same metric can be merged")
        super().merge(other)
        self.total += other.total

    def compute(self) -> float:
        """Return the mean distance in dB, NaN without a varying truth."""
        return self.total / self.count if self.count else float("nan")
