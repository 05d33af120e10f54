"""Kullback–Leibler divergence of the prediction's distribution from the truth's."""

from __future__ import annotations

import numpy as np

from training.metrics.distribution.histogram import PairedHistogram
from training.metrics.shown import Shown

PSEUDOCOUNT = 0.5


class KullbackLeiblerDivergence(PairedHistogram):
    """Σ t log2(t / p) over bins, in bits: what coding the truth by the prediction's shares costs.

    Half a count is added to every bin of both (Krichevsky & Trofimov 1981), so that a bin which the
    prediction never reaches costs much but not infinity. 0 for equal distributions, no upper bound.
    Kullback, S. & Leibler, R. A. (1951), On information and sufficiency.
    """

    SHOWN = Shown("KL", "{:.5f}", units="bit", distribution=True)

    def compute(self) -> float:
        """Return the divergence in bits, NaN without a valid cell."""
        if self.shares() is None:
            return float("nan")
        p, t = self.prediction + PSEUDOCOUNT, self.truth + PSEUDOCOUNT
        p, t = p / p.sum(), t / t.sum()
        return max(float((t * np.log2(t / p)).sum()), 0.0)
