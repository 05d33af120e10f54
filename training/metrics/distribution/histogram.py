"""The paired streaming histogram that every distribution metric is computed from."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from training.metrics.metric import Metric
from training.metrics.structure.field import Field, pair

BINS = 100  # for shapes of distributions
FINE_BINS = 10_000  # for values in the target's units


def percentile_range(truth: ArrayLike) -> tuple[float, float]:
    """Return the truth's 0.1 and 99.9 percentiles, the outer edges of the histogram."""
    values = np.asarray(truth)
    low, high = np.percentile(values[np.isfinite(values)], [0.1, 99.9])
    return float(low), float(high)


def histogram(values: np.ndarray, low: float, high: float, bins: int) -> np.ndarray:
    """Return counts in equal bins from `low` to `high`; values beyond fall into the end bins."""
    return np.histogram(np.clip(values, low, high), bins, (low, high))[0]


class PairedHistogram(Metric):
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

    def update(self, prediction: ArrayLike | Field, truth: ArrayLike | Field) -> None:
        """Take in one tile."""
        fields = pair(prediction, truth)
        if not fields[0].cells.size:
            return
        self.prediction += self._counts(fields[0])
        self.truth += self._counts(fields[1])
        ends = np.array([_extremes(field) for field in fields])
        self.least, self.greatest = np.minimum(self.least, ends[:, 0]), np.maximum(self.greatest, ends[:, 1])

    def _counts(self, field: Field) -> np.ndarray:
        settings = self.low, self.high, self.bins
        return field.once(("histogram", *settings), lambda: histogram(field.cells, *settings))

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


def _extremes(field: Field) -> tuple[float, float]:
    """Return a field's lowest and highest valid value."""
    return field.once("extremes", lambda: (field.cells.min(), field.cells.max()))
