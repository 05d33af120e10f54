"""Each fine cell's own linear relation to the coarse cells around it, and how it is applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


def neighbours(coarse: Tensor, halo: int, radius: int) -> Tensor:
    """Return (B, h, w, (2·radius + 1)²): each coarse cell and those around it, by rows.

    One that is missing has the value of the cell in the middle; all are NaN where that is missing.

    Args:
        coarse: (B, h + 2·halo, w + 2·halo).
        halo: at least `radius`.
        radius: coarse cells on each side.
    """
    size, ring = 2 * radius + 1, halo - radius
    coarse = coarse[..., ring : coarse.shape[-2] - ring, ring : coarse.shape[-1] - ring]
    around = coarse.unfold(-2, size, 1).unfold(-2, size, 1).flatten(-2)
    centre = around[..., around.shape[-1] // 2, None]
    return torch.where(torch.isfinite(around) & torch.isfinite(centre), around, centre)


def by_cell(fine: Tensor, factor: int) -> Tensor:
    """Return (B, h·k, w·k) as (B, h, w, k²)."""
    return fine.unflatten(-2, (-1, factor)).unflatten(-1, (-1, factor)).movedim(-2, -3).flatten(-2)


def whole(cells: Tensor, factor: int) -> Tensor:
    """Return (B, h, w, k²) as (B, h·k, w·k): `by_cell` undone."""
    return cells.unflatten(-1, (factor, factor)).movedim(-2, -3).flatten(-4, -3).flatten(-2)


@dataclass(frozen=True)
class CellRelation:
    """What is expected of each fine cell: `level` + Σ `weights`·(neighbours − `mean`).

    Attributes:
        mean: (h, w, p), of the neighbours.
        level: (h, w, k²).
        weights: (h, w, p, k²), None for all zero.
    """

    mean: Tensor
    level: Tensor
    weights: Tensor | None

    def apply(self, seen: Tensor) -> Tensor:
        """Return (B, h, w, k²) for (B, h, w, p) neighbours, zero where these are missing."""
        known = torch.isfinite(seen[..., :1])
        if self.weights is None:
            rest = self.level.expand(*seen.shape[:-1], -1)
        else:
            away = torch.where(known, seen - self.mean, torch.zeros_like(seen))
            rest = self.level.repeat(seen.shape[0], 1, 1, 1)
            for tap in range(seen.shape[-1]):  # in one order, wherever a tile begins
                rest.addcmul_(away[..., tap, None], self.weights[..., tap, :])
        return torch.where(known, rest, torch.zeros_like(rest))

    def part(self, rows: Tensor, columns: Tensor, device: torch.device) -> CellRelation:
        """Return the relation of some coarse rows and columns, on a device."""
        cells = rows[:, None], columns
        weights = None if self.weights is None else self.weights[cells].to(device)
        return CellRelation(self.mean[cells].to(device), self.level[cells].to(device), weights)

    def scaled(self, scale: float) -> CellRelation:
        """Return the relation of values that are `scale` times as large."""
        return CellRelation(self.mean * scale, self.level * scale, self.weights)


def stacked(relations: Sequence[CellRelation]) -> CellRelation:
    """Return the relation of strips of coarse rows, one below the other, that were fitted alike."""
    weights = [one.weights for one in relations if one.weights is not None]
    return CellRelation(
        torch.cat([one.mean for one in relations]),
        torch.cat([one.level for one in relations]),
        torch.cat(weights) if weights else None,
    )


def placed(relation: CellRelation, rows: Tensor, height: int) -> CellRelation:
    """Return the relation of `height` coarse rows, zero in all but those given."""
    if len(rows) == height:
        return relation

    def spread(values: Tensor) -> Tensor:
        result = values.new_zeros(height, *values.shape[1:])
        result[rows] = values
        return result

    weights = None if relation.weights is None else spread(relation.weights)
    return CellRelation(spread(relation.mean), spread(relation.level), weights)
