"""Gaussian random fields: of one wavelength for the landscape, correlated in space and time for weather."""

from __future__ import annotations

import numpy as np


def band_noise(
    rng: np.random.Generator, shape: tuple[int, int], cell: float, wavelength: float, width: float = 0.35
) -> np.ndarray:
    """Return a field of zero mean and unit variance whose power lies around one wavelength.

    Args:
        rng: random numbers.
        shape: rows and columns.
        cell: size of a cell, in the wavelength's unit.
        wavelength: where the power is.
        width: spread of the logarithm of the wavelength.
    """
    rows, columns = (n + int(np.ceil(2 * wavelength / cell)) for n in shape)  # it must not come round
    white = np.fft.rfft2(rng.standard_normal((rows, columns)))
    ky, kx = np.fft.fftfreq(rows, cell)[:, None], np.fft.rfftfreq(columns, cell)[None]
    frequency = np.hypot(ky, kx)
    frequency[0, 0] = 1e-12
    ring = np.exp(-0.5 * (np.log(frequency * wavelength) / width) ** 2) / frequency
    ring[0, 0] = 0.0
    field = np.fft.irfft2(white * ring, s=(rows, columns))
    return ((field - field.mean()) / field.std())[: shape[0], : shape[1]]


class Process:
    """A Gaussian field that changes from day to day: x ← φ·x + √(1 − φ²)·ε, ε correlated in space.

    Args:
        rng: random numbers.
        x, y: (N,) coordinates of the points, km.
        memory: φ, the correlation from one day to the next.
        length: km over which the correlation falls to 1/e, exponentially.
    """

    def __init__(
        self, rng: np.random.Generator, x: np.ndarray, y: np.ndarray, memory: float, length: float
    ) -> None:
        distance = np.hypot(x[:, None] - x[None], y[:, None] - y[None])
        covariance = np.exp(-((distance / length) ** 1.5)) + 1e-8 * np.eye(x.size)
        self._root = np.linalg.cholesky(covariance)
        self._rng, self._memory = rng, memory
        self.value = self._draw()

    def _draw(self) -> np.ndarray:
        return self._root @ self._rng.standard_normal(len(self._root))

    def step(self) -> np.ndarray:
        """Go on by a day and return the field, (N,)."""
        self.value = self._memory * self.value + (1 - self._memory**2) ** 0.5 * self._draw()
        return self.value
