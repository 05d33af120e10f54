"""Jensen–Shannon distance between the distributions of prediction and truth."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from engine.metrics.base import valid_pairs

BINS = 100


def percentile_range(truth: ArrayLike) -> tuple[float, float]:
    """Return the truth's 0.1 and 99.9 percentiles, the outer edges of the histogram."""
    values = np.asarray(truth)
    low, high = np.percentile(values[np.isfinite(values)], [0.1, 99.9])
    return float(low), float(high)


class JensenShannonDistance:
    """Square root of the Jensen–Shannon divergence, base 2: 0 for equal, 1 for disjoint distributions.

    Histograms of `bins` equal bins from `low` to `high`; values beyond fall into the end bins.
    Lin, J. (1991), Divergence measures based on the Shannon entropy.
    """

    def __init__(self, low: float, high: float, bins: int = BINS) -> None:
        if not high > low:
            raise ValueError(f"the histogram's range {low} to {high} is empty")
        self.low, self.high, self.bins = low, high, bins
        self.prediction = np.zeros(bins, dtype=np.int64)
        self.truth = np.zeros(bins, dtype=np.int64)

    def update(self, prediction: ArrayLike, truth: ArrayLike) -> None:
        """Take in one tile."""
        p, t = valid_pairs(prediction, truth)
        self.prediction += self._histogram(p)
        self.truth += self._histogram(t)

    def _histogram(self, values: np.ndarray) -> np.ndarray:
        clipped = np.clip(values, self.low, self.high)
        return np.histogram(clipped, self.bins, (self.low, self.high))[0]

    def merge(self, other: JensenShannonDistance) -> None:
        """Take in everything that `other` took in.

        Raises:
            ValueError: the other's histogram has other edges.
        """
        if (self.low, self.high, self.bins) != (other.low, other.high, other.bins):
            raise ValueError("histograms with different edges cannot be merged")
        self.prediction += other.prediction
        self.truth += other.truth

    def compute(self) -> float:
        """Return the distance in 0..1, NaN without a valid cell."""
        if not self.truth.sum():
            return float("nan")
        p = self.prediction / self.prediction.sum()
        t = self.truth / self.truth.sum()
        middle = (p + t) / 2
        divergence = 0.0
        for q in (p, t):
            some = q > 0
            divergence += 0.5 * float((q[some] * np.log2(q[some] / middle[some])).sum())
        return math.sqrt(max(divergence, 0.0))
