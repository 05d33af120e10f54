"""Fractal fields from seeds: terrain and weather of the cases that are made of nothing."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter


def fractal(rng: np.random.Generator, shape: tuple[int, int], roughness: float = 0.6) -> np.ndarray:
    """Return a Gaussian field, (H, W), of mean 0 and deviation 1 whose spectrum is a power law.

    Spectral synthesis (Peitgen & Saupe 1988, The science of fractal images, chapter 2): amplitudes fall
    with frequency ^ −(1 + `roughness`), the Hurst exponent. It is cut from a field twice as wide, so that
    its edges do not meet.
    """
    rows, columns = 2 * shape[0], 2 * shape[1]
    frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None])
    frequency[0, 0] = np.inf
    noise = np.fft.rfft2(rng.standard_normal((rows, columns)))
    return standardised(
        np.fft.irfft2(noise * frequency ** -(1 + roughness), (rows, columns))[: shape[0], : shape[1]]
    )


def smooth_field(rng: np.random.Generator, shape: tuple[int, int], length: float) -> np.ndarray:
    """Return a smooth field, (H, W), standardised; `length` in cells is its Gaussian kernel's."""
    margin = round(3 * length)
    noise = rng.standard_normal((shape[0] + 2 * margin, shape[1] + 2 * margin))
    return standardised(gaussian_filter(noise, length)[margin:-margin, margin:-margin])


def by_wavelength(field: np.ndarray, zero: float, steps: float) -> np.ndarray:
    """Return a field whose long waves are kept and whose short ones are turned over.

    Args:
        field: (H, W).
        zero: wavelength in cells at which nothing is left.
        steps: octaves from there to where about three quarters are kept, or turned over.
    """
    rows, columns = field.shape
    mirrored = np.pad(field, ((0, rows), (0, columns)), "symmetric")
    frequency = np.hypot(np.fft.fftfreq(2 * rows)[:, None], np.fft.rfftfreq(2 * columns)[None])
    frequency[0, 0] = 1e-9
    gain = np.tanh(np.log2(1 / frequency / zero) / steps)
    turned: np.ndarray = np.fft.irfft2(np.fft.rfft2(mirrored) * gain, mirrored.shape)[:rows, :columns]
    return turned


def standardised(field: np.ndarray) -> np.ndarray:
    """Return a field with mean 0 and deviation 1."""
    result: np.ndarray = (field - field.mean()) / field.std()
    return result
