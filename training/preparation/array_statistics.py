"""Numbers gathered while a store is filled, block by block, from several threads."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray


class ArrayStatistics:
    """Count, range and mean of one array's valid cells, for each time.

    Sums are the same in whatever order blocks come.

    Args:
        times: number of times, 1 for a static array.
    """

    def __init__(self, times: int) -> None:
        self.cells = np.zeros(times, np.int64)
        self.count = np.zeros(times, np.int64)
        self._totals: dict[tuple[int, int, int], NDArray[np.float64]] = {}  # of each block
        self.low, self.high = np.full(times, np.inf), np.full(times, -np.inf)
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the lock, for other processes."""
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def add(self, first: int, values: NDArray[np.float32], place: tuple[int, int] = (0, 0)) -> None:
        """Take in a block, (t, ..., rows, columns), of the times from `first` on.

        Args:
            first: of its times.
            values: of the block.
            place: row and column of its first cell, by which blocks of the same times are told apart.
        """
        flat = values.reshape(values.shape[0], -1)
        valid = np.isfinite(flat)
        part = slice(first, first + flat.shape[0])
        count, total = valid.sum(1), np.where(valid, flat, 0).sum(1, dtype=np.float64)
        low = np.where(valid, flat, np.inf).min(1)
        high = np.where(valid, flat, -np.inf).max(1)
        with self._lock:
            self.cells[part] += flat.shape[1]
            self.count[part] += count
            self._totals[(first, *place)] = total
            self.low[part] = np.minimum(self.low[part], low)
            self.high[part] = np.maximum(self.high[part], high)

    def part(self, first: int, count: int) -> ArrayStatistics:
        """Return what was taken in of some times alone."""
        times = slice(first, first + count)
        part = ArrayStatistics(0)
        part.cells, part.count, part.low, part.high = (
            each[times] for each in (self.cells, self.count, self.low, self.high)
        )
        part._totals = {key: total for key, total in self._totals.items() if key[0] == first}
        return part

    def take(self, first: int, part: ArrayStatistics) -> None:
        """Take in what `part` returned of times of which nothing was taken in yet."""
        times = slice(first, first + part.cells.size)
        self.cells[times], self.count[times] = part.cells, part.count
        self.low[times], self.high[times] = part.low, part.high
        self._totals.update(part._totals)

    @property
    def total(self) -> NDArray[np.float64]:
        """Sum of each time."""
        sums = np.zeros(self.cells.size)
        for (first, *_), total in sorted(self._totals.items(), key=lambda one: one[0]):
            sums[first : first + total.size] += total
        return sums

    @property
    def covered(self) -> float:
        """Share of valid cells."""
        return float(self.count.sum() / max(self.cells.sum(), 1))

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean of each time, NaN where it has no valid cell."""
        return np.where(self.count > 0, self.total / np.maximum(self.count, 1), np.nan)

    @property
    def mean(self) -> float:
        """Mean of all, NaN without a valid cell."""
        count = self.count.sum()
        return float(self.total.sum() / count) if count else float("nan")

    @property
    def range(self) -> tuple[float, float] | None:
        """Lowest and highest value."""
        return (float(self.low.min()), float(self.high.max())) if self.count.any() else None


class CoarseAgreement:
    """How the aggregate of the truth, a, fits an independent coarse product, b, cell by cell.

    Args:
        shape: coarse rows and columns.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.sums = np.zeros((6, *shape))  # n, Σa, Σb, Σa², Σb², Σab
        self._early: dict[int, NDArray[np.float64]] = {}  # blocks whose turn has not come
        self._next = 0
        self._lock = threading.Lock()

    @staticmethod
    def sums_of(aggregate: NDArray[np.float32], coarse: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return what a block of times, (t, rows, columns) of both, adds to the sums."""
        valid = np.isfinite(aggregate) & np.isfinite(coarse)
        a = np.where(valid, aggregate, 0).astype(np.float64)
        b = np.where(valid, coarse, 0).astype(np.float64)
        return np.stack([part.sum(0) for part in (valid.astype(np.float64), a, b, a * a, b * b, a * b)])

    def take(self, number: int, sums: NDArray[np.float64]) -> None:
        """Take in what a block of times adds.

        Args:
            number: of the block, from 0 on; they are added in this order, in whatever order they come.
            sums: as `sums_of` returned them.
        """
        with self._lock:
            self._early[number] = sums
            while self._next in self._early:
                self.sums += self._early.pop(self._next)
                self._next += 1

    @property
    def count(self) -> int:
        """Number of pairs."""
        return int(self.sums[0].sum())

    @property
    def means(self) -> tuple[float, float]:
        """Means of a and b."""
        total = self.sums.sum((1, 2))
        return float(total[1] / max(total[0], 1)), float(total[2] / max(total[0], 1))

    @property
    def spread(self) -> float:
        """Standard deviation of b."""
        return float(np.sqrt(self._moments()[1]))

    @property
    def correlation(self) -> float:
        """Pearson's r over all pairs, NaN where one of both does not vary."""
        a, b, both = self._moments()
        return float(both / np.sqrt(a * b)) if a > 0 and b > 0 else float("nan")

    @property
    def bias(self) -> NDArray[np.float64]:
        """Mean of a − b of each cell, NaN without a pair."""
        n = self.sums[0]
        return np.where(n > 0, (self.sums[1] - self.sums[2]) / np.maximum(n, 1), np.nan)

    def _moments(self) -> tuple[float, float, float]:
        n, a, b, aa, bb, ab = self.sums.sum((1, 2))
        n = max(n, 1)
        variances = (aa / n - (a / n) ** 2, bb / n - (b / n) ** 2)
        return max(variances[0], 0.0), max(variances[1], 0.0), ab / n - a * b / n**2
