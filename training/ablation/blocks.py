"""Squared errors by block of space and time, few enough to keep in a record.

`training.evaluation.bootstrap` draws blocks, not single cells and dates: neighbours err alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

MOST_PLACES = 64  # blocks of space
MOST_TIMES = 8  # blocks of time


@dataclass(frozen=True)
class SquaredErrorBlocks:
    """Cells counted and their squared errors, (time blocks, place blocks)."""

    count: np.ndarray
    squared: np.ndarray

    @property
    def rmse(self) -> float:
        """Root mean square error over all blocks."""
        return float(np.sqrt(self.squared.sum() / max(self.count.sum(), 1)))

    def to_json(self) -> dict[str, Any]:
        """Return plain data for a record, errors to six digits."""
        return {
            "count": self.count.astype(int).tolist(),
            "squared": [[float(f"{v:.6g}") for v in row] for row in self.squared],
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> SquaredErrorBlocks:
        """Read what `to_json` wrote; raises ValueError for anything else."""
        count, squared = (np.asarray(raw.get(key), dtype=np.float64) for key in ("count", "squared"))
        if count.ndim != 2 or count.shape != squared.shape:
            raise ValueError("blocks: count and squared must be tables of one shape")
        return cls(count, squared)


class RunBlockErrors:
    """Errors by block, gathered field by field; blocks of space are squares of whole coarse cells.

    Args:
        times: how many there will be.
        factor: k.
    """

    def __init__(self, times: int, factor: int) -> None:
        self._factor = factor
        parts = np.array_split(np.arange(times), min(times, MOST_TIMES))
        self._group = {int(time): number for number, part in enumerate(parts) for time in part}
        self._count, self._squared = (np.zeros((len(parts), 0)) for _ in range(2))

    def update(self, number: int, field: np.ndarray, truth: np.ndarray) -> None:
        """Take in a time, by its number among all: its field and the truth, (h·k, w·k), NaN where invalid."""
        k, (height, width) = self._factor, field.shape
        edge = _edge(height // k, width // k) * k
        rows, columns = -(-height // edge), -(-width // edge)
        if not self._count.size:
            shape = (len(self._count), rows * columns)
            self._count, self._squared = np.zeros(shape), np.zeros(shape)
        error = field.astype(np.float64) - truth
        valid = np.isfinite(error)
        padding = ((0, rows * edge - height), (0, columns * edge - width))
        for total, values in (
            (self._count, valid.astype(np.float64)),
            (self._squared, np.where(valid, error, 0.0) ** 2),
        ):
            blocks = np.pad(values, padding).reshape(rows, edge, columns, edge)
            total[self._group[number]] += blocks.sum((1, 3)).ravel()

    def blocks(self) -> SquaredErrorBlocks:
        """Return what was taken in."""
        return SquaredErrorBlocks(self._count, self._squared)


def _edge(height: int, width: int) -> int:
    """Return the smallest edge of a block, in coarse cells, that leaves few enough of them."""
    edge = 1
    while -(-height // edge) * -(-width // edge) > MOST_PLACES:
        edge += 1
    return edge
