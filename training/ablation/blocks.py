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


def block_errors(fields: np.ndarray, truth: np.ndarray, factor: int) -> SquaredErrorBlocks:
    """Return errors by block; blocks of space are squares of whole coarse cells.

    Args:
        fields, truth: (T, h·k, w·k), NaN where invalid.
        factor: k.
    """
    times, height, width = fields.shape
    edge = _edge(height // factor, width // factor) * factor
    rows, columns = -(-height // edge), -(-width // edge)
    groups = np.array_split(np.arange(times), min(times, MOST_TIMES))
    count, squared = (np.zeros((len(groups), rows * columns)) for _ in range(2))
    for number, group in enumerate(groups):
        for time in group:
            error = fields[time].astype(np.float64) - truth[time]
            valid = np.isfinite(error)
            padding = ((0, rows * edge - height), (0, columns * edge - width))
            for total, values in (
                (count, valid.astype(np.float64)),
                (squared, np.where(valid, error, 0.0) ** 2),
            ):
                blocks = np.pad(values, padding).reshape(rows, edge, columns, edge)
                total[number] += blocks.sum((1, 3)).ravel()
    return SquaredErrorBlocks(count, squared)


def _edge(height: int, width: int) -> int:
    """Return the smallest edge of a block, in coarse cells, that leaves few enough of them."""
    edge = 1
    while -(-height // edge) * -(-width // edge) > MOST_PLACES:
        edge += 1
    return edge
