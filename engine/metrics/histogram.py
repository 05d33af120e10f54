"""The paired streaming histogram that every distribution metric is computed from."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from engine.metrics.base import valid_pairs

BINS = 100  # for shapes of distributions
FINE_BINS = 10_000  # for values in the target's units


def percentile_range(truth: ArrayLike) -> tuple[float, float]:
    """Return the truth's 0.1 and 99.9 percentiles, the outer edges of the histogram."""
    values = np.asarray(truth)
    low, high = np.percentile(values[np.isfinite(values)], [0.1, 99.9])
    return float(low), float(high)


class PairedHistogram:
    """Base of metrics that compare the distributions of prediction and truth.

    Histograms of `bins` equal bins from `low` to `high`, in the target's units, over the cells where
    both are valid. Values beyond fall into the end bins; the least and greatest value are remembered.
    """

    def __init__(self, low: float, high: float, bins: int = BINS) -> None:
        if not high > low:
            raise ValueError(f"the histogram's range {low} to {high} is empty")
        self.low, self.high, self.bins = low, high, bins
        self.prediction = np.zeros(bins, dtype=np.int64)
        self.truth = np.zeros(bins, dtype=np.int64)
        self.least = np.full(2, np.inf)  # of prediction and of truth
        self.greatest = np.full(2, -np.inf)

    @property
    def width(self) -> float:
        """Width of a bin, in the target's units."""
        return (self.high - self.low) / self.bins

    def update(self, prediction: ArrayLike, truth: ArrayLike) -> None:
        """Take in one tile."""
        p, t = valid_pairs(prediction, truth)
        if not p.size:
            return
        self.prediction += self._histogram(p)
        self.truth += self._histogram(t)
        self.least = np.minimum(self.least, [p.min(), t.min()])
        self.greatest = np.maximum(self.greatest, [p.max(), t.max()])

    def _histogram(self, values: np.ndarray) -> np.ndarray:
        clipped = np.clip(values, self.low, self.high)
        return np.histogram(clipped, self.bins, (self.low, self.high))[0]

    def merge(self, other: PairedHistogram) -> None:
        """Take in everything that `other` took in.

        Raises:
            ValueError: the other's histogram has other edges.
        """
        if (self.low, self.high, self.bins) != (other.low, other.high, other.bins):
            raise ValueError("histograms with different edges cannot be merged")
        self.prediction += other.prediction
        self.truth += other.truth
        self.least = np.minimum(self.least, other.least)
        self.greatest = np.maximum(self.greatest, other.greatest)

    def shares(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Return each bin's share of the cells, of prediction and of truth; None without a valid cell."""
        if not self.truth.sum():
            return None
        return self.prediction / self.prediction.sum(), self.truth / self.truth.sum()
