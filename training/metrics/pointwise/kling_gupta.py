"""Kling–Gupta efficiency."""

from __future__ import annotations

import math

from training.metrics.pointwise.moments import PairedMoments
from training.metrics.pointwise.pearson import correlation
from training.metrics.shown import Shown


class KlingGuptaEfficiency(PairedMoments):
    """1 − √((r − 1)² + (α − 1)² + (β − 1)²), α = σ_p / σ_t, β = mean p / mean t: 1 is perfect.

    For variables with a true zero: β has no meaning where the mean can be near or below zero.
    Gupta, H. V. et al. (2009), Decomposition of the mean squared error and NSE performance criteria.
    """

    SHOWN = Shown("KGE", "{:.4f}", 1)

    def compute(self) -> float:
        """Return the efficiency, NaN without a valid cell, for a constant, or a truth of mean 0."""
        m = self.moments()
        if m is None or m.variance_t == 0 or m.mean_t == 0:
            return float("nan")
        alpha = math.sqrt(m.variance_p / m.variance_t)
        beta = m.mean_p / m.mean_t
        return 1 - math.sqrt((correlation(m) - 1) ** 2 + (alpha - 1) ** 2 + (beta - 1) ** 2)
