"""Sums over dates from which each fine cell's relation to the coarse cells around it is solved."""

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
            rest = self.level + torch.einsum("bhwp,hwpq->bhwq", away, self.weights)
        return torch.where(known, rest, torch.zeros_like(rest))

    def part(self, rows: slice, columns: Tensor) -> CellRelation:
        """Return the relation of some coarse rows and columns."""
        weights = None if self.weights is None else self.weights[rows][:, columns]
        return CellRelation(self.mean[rows][:, columns], self.level[rows][:, columns], weights)


class NeighbourSums:
    """Sums of neighbours and of what fine cells should be told, by blocks of dates, float64.

    Args:
        folds: blocks of dates.
        radius: coarse cells on each side; relations may use fewer.
    """

    def __init__(self, folds: int, radius: int) -> None:
        self.folds, self.radius = folds, radius
        self._sums: list[list[Tensor]] = [[] for _ in range(folds)]

    def add(self, fold: int, seen: Tensor, wanted: Tensor) -> None:
        """Take in (B, h, w, p) neighbours and (B, h, w, k²) values; NaN does not count."""
        there = torch.isfinite(wanted)
        dates = (torch.isfinite(seen).all(-1) & there.any(-1)).double()
        x = torch.where(dates[..., None] > 0, seen, torch.zeros_like(seen)).double()
        there &= dates[..., None] > 0
        y = torch.where(there, wanted, torch.zeros_like(wanted)).double()
        new = [
            dates.sum(0),
            x.sum(0),
            torch.einsum("bhwp,bhwr->hwpr", x, x),
            there.double().sum(0),
            y.sum(0),
            torch.einsum("bhwp,bhwq->hwpq", x, y),
        ]
        old = self._sums[fold]
        self._sums[fold] = [a.add_(b) for a, b in zip(old, new, strict=True)] if old else new

    def relation(
        self, radius: int, ridges: Sequence[float | None], without: int | None = None
    ) -> list[CellRelation]:
        """Solve for each ridge, float32.

        A ridge is a share of the neighbours' mean variance; None: the mean alone is learnt. It weighs the
        more, the fewer of the dates a fine cell has, and the mean is drawn to zero as by one more date.

        Args:
            radius: coarse cells on each side.
            ridges: how much to shrink.
            without: a block of dates that is left out.
        """
        blocks = [sums for fold, sums in enumerate(self._sums) if fold != without and sums]
        dates, sx, sxx, count, sy, sxy = (sum(parts[1:], parts[0]) for parts in zip(*blocks))
        size = 2 * self.radius + 1
        inner = torch.arange(size**2).view(size, size)
        edge = self.radius - radius
        used = inner[edge : size - edge, edge : size - edge].flatten()
        n, m = dates.clamp_min(1)[..., None], count.clamp_min(1)
        mean, level = sx[..., used] / n, sy / m
        level = level * (count / (count + 1))
        plain = CellRelation(mean.float(), level.float(), None)
        if all(ridge is None for ridge in ridges):
            return [plain for _ in ridges]
        spread = sxx[..., used, :][..., used] / n[..., None] - mean[..., None] * mean[..., None, :]
        together = sxy[..., used, :] / m[..., None, :] - mean[..., None] * (sy / m)[..., None, :]
        together = together * (count > 1)[..., None, :]
        values, axes = torch.linalg.eigh(spread)
        values = values.clamp_min(0)
        turned = axes.mT @ together
        fewer = (n / m)[..., None, :] * values.mean(-1)[..., None, None].clamp_min(1e-12)
        relations = []
        for ridge in ridges:
            if ridge is None:
                relations.append(plain)
                continue
            weights = axes @ (turned / (values[..., None] + ridge * fewer))
            relations.append(CellRelation(plain.mean, plain.level, weights.float()))
        return relations
