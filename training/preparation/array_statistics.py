"""Numbers gathered while a store is filled, block by block, from several threads."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray


class ArrayStatistics:
    """Count, range and mean of one array's valid cells, for each time.

    Args:
        times: number of times, 1 for a static array.
    """

    def __init__(self, times: int) -> None:
        self.cells = np.zeros(times, np.int64)
        self.count = np.zeros(times, np.int64)
        self.total = np.zeros(times)
        self.low, self.high = np.full(times, np.inf), np.full(times, -np.inf)
        self._lock = threading.Lock()

    def add(self, first: int, values: NDArray[np.float32]) -> None:
        """Take in (t, ..., rows, columns) of the times from `first` on."""
        flat = values.reshape(values.shape[0], -1)
        valid = np.isfinite(flat)
        part = slice(first, first + flat.shape[0])
        count, total = valid.sum(1), np.where(valid, flat, 0).sum(1, dtype=np.float64)
        low = np.where(valid, flat, np.inf).min(1)
        high = np.where(valid, flat, -np.inf).max(1)
        with self._lock:
            self.cells[part] += flat.shape[1]
            self.count[part] += count
            self.total[part] += total
            self.low[part] = np.minimum(self.low[part], low)
            self.high[part] = np.maximum(self.high[part], high)

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
        self._lock = threading.Lock()

    def add(self, aggregate: NDArray[np.float32], coarse: NDArray[np.float32]) -> None:
        """Take in (t, rows, columns) of both."""
        valid = np.isfinite(aggregate) & np.isfinite(coarse)
        a = np.where(valid, aggregate, 0).astype(np.float64)
        b = np.where(valid, coarse, 0).astype(np.float64)
        sums = np.stack([part.sum(0) for part in (valid.astype(np.float64), a, b, a * a, b * b, a * b)])
        with self._lock:
            self.sums += sums

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
