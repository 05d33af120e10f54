"""Conservation residual: how far the fine field's aggregate is from the coarse field."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from training.metrics.metric import Metric
from training.metrics.pointwise.base import valid_pairs
from training.metrics.shown import Shown


class ConservationResidual(Metric):
    """Largest |aggregate − coarse| over valid coarse cells, in the target's units.

    `update` takes the aggregate of the prediction (see `engine.fields.conservation.aggregate`) as
    prediction and the coarse field as truth.
    """

    SHOWN = Shown("residual", "{:.1e}", None)
    of_means = True  # it compares coarse means, not fine fields

    def __init__(self) -> None:
        self.largest = 0.0
        self.count = 0

    def update(self, prediction: ArrayLike, truth: ArrayLike) -> None:
        """Take in one tile."""
        p, t = valid_pairs(prediction, truth)
        if p.size:
            self.largest = max(self.largest, float(np.abs(p - t).max()))
            self.count += p.size

    def merge(self, other: ConservationResidual) -> None:
        """Take in everything that `other` took in."""
        self.largest = max(self.largest, other.largest)
        self.count += other.count

    def compute(self) -> float:
        """Return the largest residual, NaN without a valid cell."""
        return self.largest if self.count else float("nan")
