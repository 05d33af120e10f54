"""Pearson correlation."""

from __future__ import annotations

import math

from training.metrics.pointwise.moments import JointMoments, PairedMoments
from training.metrics.shown import Shown


def correlation(m: JointMoments) -> float:
    """Return cov(p, t) / (σ_p σ_t), in −1..1, NaN where either is constant."""
    if m.variance_p == 0 or m.variance_t == 0:
        return float("nan")
    r = m.covariance / (math.sqrt(m.variance_p) * math.sqrt(m.variance_t))
    return min(max(r, -1.0), 1.0)


class PearsonCorrelation(PairedMoments):
    """cov(p, t) / (σ_p σ_t) over all valid cells and times: 1 is perfect."""

    SHOWN = Shown("Pearson", "{:.4f}", 1)

    def compute(self) -> float:
        """Return the correlation, NaN without a valid cell or where either is constant."""
        m = self.moments()
        return float("nan") if m is None else correlation(m)
