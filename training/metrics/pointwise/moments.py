"""Streaming means, variances and covariance of prediction and truth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from training.metrics.metric import Metric
from training.metrics.pointwise.base import valid_pairs

ROUNDING = 16 * np.finfo(np.float64).eps


class JointMoments(NamedTuple):
    """Population moments over all valid cells, in the target's units and their squares."""

    mean_p: float
    mean_t: float
    variance_p: float
    variance_t: float
    covariance: float
    mean_square_error: float


class PairedMoments(Metric):
    """Base of metrics that follow from first and second moments of prediction and truth.

    Each tile's centred sums are joined by the pairwise update of Chan, T. F. et al. (1983), Algorithms
    for computing the sample variance, which keeps its digits where the mean is far above the spread.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = np.zeros(2)  # of prediction and of truth
        self.centred = np.zeros((2, 2))  # sums of products of deviations from the means
        self.squared_error = 0.0

    def update(self, prediction: ArrayLike, truth: ArrayLike) -> None:
        """Take in one tile."""
        p, t = valid_pairs(prediction, truth)
        if not p.size:
            return
        mean = np.array([p.mean(), t.mean()])
        dp, dt = p - mean[0], t - mean[1]
        cross = dp @ dt
        self._join(p.size, mean, np.array([[dp @ dp, cross], [cross, dt @ dt]]))
        self.squared_error += float(((p - t) ** 2).sum())

    def _join(self, count: int, mean: np.ndarray, centred: np.ndarray) -> None:
        total = self.count + count
        apart = mean - self.mean
        self.centred = self.centred + centred + np.outer(apart, apart) * (self.count * count / total)
        self.mean = self.mean + apart * (count / total)
        self.count = total

    def merge(self, other: PairedMoments) -> None:
        """Take in everything that `other` took in."""
        if other.count:
            self._join(other.count, other.mean, other.centred)
            self.squared_error += other.squared_error

    def moments(self) -> JointMoments | None:
        """Return the moments, None without a valid cell. The variance of a constant is exactly 0."""
        if not self.count:
            return None
        variance = np.diag(self.centred) / self.count
        # A constant field's deviations are rounding errors of its mean.
        variance = np.where(variance <= (ROUNDING * self.mean) ** 2, 0.0, variance)
        return JointMoments(
            float(self.mean[0]),
            float(self.mean[1]),
            float(variance[0]),
            float(variance[1]),
            float(self.centred[0, 1] / self.count),
            self.squared_error / self.count,
        )
