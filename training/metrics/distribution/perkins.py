"""Perkins skill score: how much the two distributions overlap."""

from __future__ import annotations

import numpy as np

from training.metrics.distribution.histogram import PairedHistogram
from training.metrics.shown import Shown


class PerkinsSkillScore(PairedHistogram):
    """Σ min(p, t) over bins: 1 for equal, 0 for disjoint distributions.

    Perkins, S. E. et al. (2007), Evaluation of the AR4 climate models' simulated daily maximum
    temperature, minimum temperature, and precipitation over Australia using probability density functions.
    """

    SHOWN = Shown("Perkins", "{:.4f}", 1, distribution=True)

    def compute(self) -> float:
        """Return the score in 0..1, NaN without a valid cell."""
        shares = self.shares()
        return float("nan") if shares is None else float(np.minimum(*shares).sum())
