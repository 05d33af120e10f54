"""Spread and error of an ensemble by classes of spread: the points of a spread–skill diagram."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from training.metrics.ensemble.ensemble import valid_members

CLASSES = 240  # fine ones, joined to about equally full ones when they are looked at
SMALLEST = 1e-6  # of the greatest spread that is told apart


class SpreadBins:
    """Sums of the members' variance and of the mean's squared error, by the spread of a cell.

    Args:
        greatest: the spread beyond which all cells are one class, in the target's units: the truth's
            range will do.
    """

    def __init__(self, greatest: float) -> None:
        self.edges = np.geomspace(SMALLEST * greatest, greatest, CLASSES - 1)
        self.sums = np.zeros((3, CLASSES))  # cells, variance with its factor, squared error

    def update(self, members: ArrayLike, truth: ArrayLike) -> None:
        """Take in one tile, members (M, …) and truth (…), M at least 2."""
        x, t = valid_members(members, truth)
        count = x.shape[0]
        variance = (count + 1) / count * x.var(0, ddof=1)
        which = np.searchsorted(self.edges, np.sqrt(variance), side="right")
        for row, values in enumerate((None, variance, (x.mean(0) - t) ** 2)):
            self.sums[row] += np.bincount(which, values, CLASSES)

    def merge(self, other: SpreadBins) -> None:
        """Take in everything that `other` took in.

        Raises:
            ValueError: the other has other classes.
        """
        if not np.array_equal(self.edges, other.edges):
            raise ValueError("spreads by different classes cannot be merged")
        self.sums += other.sums

    def points(self, wanted: int = 12) -> np.ndarray:
        """Return (n, 3), up to `wanted` classes: spread, RMSE of the mean (target's units), and cells.

        Neighbouring classes are joined until each has its share of the cells. For a reliable ensemble
        spread and RMSE are equal in each.
        """
        cells = self.sums[0]
        total = cells.sum()
        if not total:
            return np.zeros((0, 3))
        group = np.minimum((np.cumsum(cells) - cells / 2) * wanted / total, wanted - 1).astype(int)
        joined = np.stack([np.bincount(group, row, wanted) for row in self.sums])
        joined = joined[:, joined[0] > 0]
        return np.stack([np.sqrt(joined[1] / joined[0]), np.sqrt(joined[2] / joined[0]), joined[0]], 1)
