"""Wasserstein-1 distance between the distributions of prediction and truth."""

from __future__ import annotations

import numpy as np

from training.metrics.distribution.histogram import FINE_BINS, PairedHistogram
from training.metrics.shown import Shown


class WassersteinDistance(PairedHistogram):
    """∫ |F_p(x) − F_t(x)| dx of the cumulative distributions, in the target's units.

    Taken at bin centres: exact to one bin's width within the histogram's range, and blind to how far
    beyond the range a value lies. In one dimension it equals the mean difference of sorted values.
    Vallender, S. S. (1974), Calculation of the Wasserstein distance between probability distributions
    on the line.
    """

    SHOWN = Shown("W1", "{:.3f}", units="target", distribution=True)

    def __init__(self, low: float, high: float, bins: int = FINE_BINS) -> None:
        super().__init__(low, high, bins)

    def compute(self) -> float:
        """Return the distance, NaN without a valid cell."""
        shares = self.shares()
        if shares is None:
            return float("nan")
        return float(np.abs(np.cumsum(shares[0] - shares[1])).sum() * self.width)
