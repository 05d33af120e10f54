"""What every metric shares, and the mask of cells that count."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from training.metrics.metric import Metric
from training.metrics.structure.field import Field, pair


def valid_pairs(prediction: ArrayLike | Field, truth: ArrayLike | Field) -> tuple[np.ndarray, np.ndarray]:
    """Return prediction and truth as flat float64 arrays over the cells where both are finite.

    Raises:
        ValueError: the shapes differ.
    """
    p, t = pair(prediction, truth)
    return p.cells, t.cells


class MeanOf(Metric):
    """Base of metrics that are a mean of some function of the error over valid cells."""

    def __init__(self) -> None:
        self.total = 0.0
        self.count = 0

    def of_error(self, error: np.ndarray) -> np.ndarray:
        """Return what is averaged, given prediction − truth."""
        return error

    def update(self, prediction: ArrayLike, truth: ArrayLike) -> None:
        """Take in one tile."""
        p, t = valid_pairs(prediction, truth)
        self.total += float(self.of_error(p - t).sum())
        self.count += p.size

    def merge(self, other: MeanOf) -> None:
        """Take in everything that `other` took in."""
        self.total += other.total
        self.count += other.count

    def compute(self) -> float:
        """Return the mean, NaN without a valid cell."""
        return self.total / self.count if self.count else float("nan")
