"""Structural similarity."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from training.metrics.metric import Metric
from training.metrics.shown import Shown
from training.metrics.structure.field import Field
from training.metrics.structure.fields import field_pairs

RADIUS = 5  # a window of 11 × 11 cells
SIGMA = 1.5  # cells
K1, K2 = 0.01, 0.03


def _weights() -> np.ndarray:
    weights = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / SIGMA) ** 2)
    return weights / weights.sum()


def _smooth(field: np.ndarray) -> np.ndarray:
    """Gaussian-weighted sums over the windows that lie wholly within the field."""
    weights = _weights()
    height, width = (n - 2 * RADIUS for n in field.shape)
    rows = sum(w * field[i : i + height] for i, w in enumerate(weights))
    return sum(w * rows[:, i : i + width] for i, w in enumerate(weights))


def _window_weights(valid: np.ndarray) -> np.ndarray:
    weight = _smooth(valid.astype(np.float64))
    return np.where(weight > 0, weight, 1.0)  # windows without a valid cell are dropped later


def _window_moments(field: Field, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a field with zeros where invalid, and its mean and variance in each window."""
    known = np.where(field.valid, field.values, 0.0)
    mean = _smooth(known) / weight
    return known, mean, _smooth(known * known) / weight - mean**2


class StructuralSimilarity(Metric):
    """SSIM averaged over cells, then over fields: 1 is perfect, 0 is no common structure.

    (2 μ_p μ_t + C1)(2 σ_pt + C2) / ((μ_p² + μ_t² + C1)(σ_p² + σ_t² + C2)) in Gaussian windows of
    11 × 11 cells, σ = 1.5, C1 = (0.01 L)², C2 = (0.03 L)², with the truth's range L, in the target's
    units. Only windows wholly within the field count; invalid cells have no weight in a window and no
    value of their own. `update` takes whole fields.
    Wang, Z. et al. (2004), Image quality assessment: from error visibility to structural similarity.
    """

    SHOWN = Shown("SSIM", "{:.4f}", 1)

    def __init__(self, data_range: float) -> None:
        if not data_range > 0:
            raise ValueError(f"the data's range {data_range} is not above 0")
        self.data_range = float(data_range)
        self.total = 0.0
        self.count = 0

    def update(self, prediction: ArrayLike | Field, truth: ArrayLike | Field) -> None:
        """Take in whole fields, (…, h, w); fields smaller than a window count for nothing."""
        for p, t in field_pairs(prediction, truth):
            if min(t.shape) <= 2 * RADIUS:
                continue
            centre = t.valid[RADIUS:-RADIUS, RADIUS:-RADIUS]
            if centre.any():
                self.total += float(self._similarity(p, t)[centre].mean())
                self.count += 1

    def _similarity(self, p: Field, t: Field) -> np.ndarray:
        weight = t.once("window weights", lambda: _window_weights(t.valid))
        p_, mean_p, variance_p = p.once("window moments", lambda: _window_moments(p, weight))
        t_, mean_t, variance_t = t.once("window moments", lambda: _window_moments(t, weight))
        covariance = _smooth(p_ * t_) / weight - mean_p * mean_t
        c1, c2 = (K1 * self.data_range) ** 2, (K2 * self.data_range) ** 2
        return ((2 * mean_p * mean_t + c1) * (2 * covariance + c2)) / (
            (mean_p**2 + mean_t**2 + c1) * (variance_p + variance_t + c2)
        )

    def merge(self, other: StructuralSimilarity) -> None:
        """Take in everything that `other` took in.

        Raises:
            ValueError: the other assumed another range.
        """
        if self.data_range != other.data_range:
            raise ValueError("similarities with different ranges cannot be merged")
        self.total += other.total
        self.count += other.count

    def compute(self) -> float:
        """Return the mean similarity, NaN without a window."""
        return self.total / self.count if self.count else float("nan")
