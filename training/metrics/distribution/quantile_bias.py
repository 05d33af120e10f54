"""Bias of a high quantile."""

from __future__ import annotations

import numpy as np

from training.metrics.distribution.histogram import FINE_BINS, PairedHistogram
from training.metrics.shown import Shown


class QuantileBias(PairedHistogram):
    """Q_q of the prediction − Q_q of the truth over all valid cells, in the target's units.

    Quantiles of the pooled values are interpolated in a fine histogram: exact to one bin's width
    inside `low`..`high`. The end bins reach out to the extremes seen, so that a prediction beyond the
    range is not cut off, only located less well.
    """

    SHOWN = Shown("Q bias", "{:+.2f}", units="target", distribution=True)

    def __init__(self, quantile: float, low: float, high: float, bins: int = FINE_BINS) -> None:
        if not 0 < quantile < 1:
            raise ValueError(f"the quantile {quantile} is not between 0 and 1")
        super().__init__(low, high, bins)
        self.quantile = quantile

    def merge(self, other: PairedHistogram) -> None:
        """Take in everything that `other` took in.

        Raises:
            ValueError: the other has another quantile, or other edges.
        """
        if not isinstance(other, QuantileBias) or self.quantile != other.quantile:
            raise ValueError("biases of different quantiles cannot be merged")
        super().merge(other)

    def quantiles(self) -> tuple[float, float]:
        """Return the quantile of the prediction and of the truth, NaN without a valid cell."""
        if self.shares() is None:
            return float("nan"), float("nan")
        return self._quantile(self.prediction, 0), self._quantile(self.truth, 1)

    def _quantile(self, counts: np.ndarray, which: int) -> float:
        edges = np.linspace(self.low, self.high, self.bins + 1)
        # Values beyond the range lie in the end bins: let these reach the extremes.
        edges[0] = min(self.low, self.least[which])
        edges[-1] = max(self.high, self.greatest[which])
        below = np.cumsum(counts)
        wanted = self.quantile * below[-1]
        index = int(np.searchsorted(below, wanted))
        start = below[index] - counts[index]
        inside = (wanted - start) / counts[index]
        value = edges[index] + inside * (edges[index + 1] - edges[index])
        return float(np.clip(value, self.least[which], self.greatest[which]))

    def compute(self) -> float:
        """Return the difference of the quantiles, NaN without a valid cell."""
        p, t = self.quantiles()
        return p - t
