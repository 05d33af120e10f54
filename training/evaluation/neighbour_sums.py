"""Sums over dates from which each fine cell's relation to the coarse cells around it is solved."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.disaggregation.cell_relation import CellRelation


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

    @property
    def known(self) -> Tensor:
        """Return (h, w), whether any of a coarse cell's fine ones was told anything."""
        counts = [sums[3] for sums in self._sums if sums]
        return sum(counts[1:], counts[0]).sum(-1) > 0

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
        known = count.sum(-1) > 0  # elsewhere there is nothing to solve
        centre, told, own = mean[known], m[known], n[known]
        spread = sxx[known][..., used, :][..., used] / own[..., None]
        spread = spread - centre[..., None] * centre[..., None, :]
        together = sxy[known][..., used, :] / told[..., None, :]
        together = together - centre[..., None] * (sy[known] / told)[..., None, :]
        together = together * (count[known] > 1)[..., None, :]
        values, axes = torch.linalg.eigh(spread)
        values = values.clamp_min(0)
        turned = axes.mT @ together
        fewer = (own / told)[..., None, :] * values.mean(-1)[..., None, None].clamp_min(1e-12)
        relations = []
        for ridge in ridges:
            if ridge is None:
                relations.append(plain)
                continue
            weights = torch.zeros(*known.shape, *together.shape[1:])
            weights[known] = (axes @ (turned / (values[..., None] + ridge * fewer))).float()
            relations.append(CellRelation(plain.mean, plain.level, weights))
        return relations
