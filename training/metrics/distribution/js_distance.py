"""Jensen–Shannon distance between the distributions of prediction and truth."""

from __future__ import annotations

import math

import numpy as np

from training.metrics.distribution.histogram import PairedHistogram
from training.metrics.shown import Shown


class JensenShannonDistance(PairedHistogram):
    """Square root of the Jensen–Shannon divergence, base 2: 0 for equal, 1 for disjoint distributions.

    Lin, J. (1991), Divergence measures based on the Shannon entropy.
    """

    SHOWN = Shown("JS distance", "{:.4f}", distribution=True)

    def compute(self) -> float:
        """Return the distance in 0..1, NaN without a valid cell."""
        shares = self.shares()
        if shares is None:
            return float("nan")
        middle = (shares[0] + shares[1]) / 2
        divergence = 0.0
        for q in shares:
            some = q > 0
            divergence += 0.5 * float((q[some] * np.log2(q[some] / middle[some])).sum())
        return math.sqrt(max(divergence, 0.0))
