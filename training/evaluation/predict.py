"""Whole fields of a method on an archive, predicted tile by tile through the engine, and conserved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.fields.conservation import aggregate, conserve
from engine.fields.patch import Patch
from engine.specs import TargetSpec
from training.data.archive import Archive
from training.data.patches import View, Window, cut

TILE = 128  # coarse cells along a tile's edge, at most
FINE_TILE = 1024  # fine cells


@dataclass(frozen=True)
class Case:
    """One row of the table: a method, what it may see, and how far it is made to conserve."""

    name: str
    title: str
    predict: Callable[[Patch], Tensor]
    halo: int
    view: View
    strength: float  # of the conservation
    member: Callable[[Patch, int, int], Tensor] | None = None  # (patch, seed, 1 …) → a draw
    # The same for several numbers at once, 0 for the central estimate: quicker than one by one.
    draws: Callable[[Patch, int, Sequence[int]], Iterable[Tensor]] | None = None
    group: str = "simple"  # simple: fits nothing beforehand; learned: other learners; model


@torch.no_grad()
def predicted_tiles(
    cases: Sequence[Case],
    archive: Archive,
    time: int,
    columns: tuple[int, int],
    target: TargetSpec,
    tile: int | None = None,
    withheld: frozenset[int] = frozenset(),
    members: int = 0,
    seed: int = 0,
) -> Iterator[tuple[tuple[slice, slice], list[Tensor]]]:
    """Yield one time tile by tile over all rows of some columns, each field conserved.

    Args:
        cases: that predict alike and differ in their conservation alone: predicted once, by the first.

    Yields:
        The tile's place on the fine grid, counted from the first of the columns, and for each case its
        fields, (1 + members, ·, ·): the central estimate, then the members' draws.
    """
    k, height = archive.factor, archive.shape[0]
    tile = tile or max(1, min(TILE, FINE_TILE // k))
    for row in range(0, height, tile):
        for column in range(columns[0], columns[1], tile):
            size = (min(tile, height - row), min(tile, columns[1] - column))
            patch, _ = cut(archive, [Window(time, row, column, withheld)], size, cases[0].halo, cases[0].view)
            fields = _drawn(cases[0], patch, seed, members)
            coarse = torch.from_numpy(
                np.array(archive.coarse[time][row : row + size[0], column : column + size[1]])
            )[None]
            left = (column - columns[0]) * k
            rows, across = slice(row * k, (row + size[0]) * k), slice(left, left + size[1] * k)
            area = None if archive.area is None else torch.from_numpy(archive.area[rows])[None]
            yield (
                (rows, across),
                [
                    torch.cat([conserve(fine, coarse, k, target, case.strength, area) for fine in fields])
                    for case in cases
                ],
            )


def _drawn(case: Case, patch: Patch, seed: int, members: int) -> list[Tensor]:
    """Return the central estimate and the members' draws, before conservation."""
    if members and case.draws is not None:
        return list(case.draws(patch, seed, range(members + 1)))
    fields = [case.predict(patch)]
    if case.member is not None:
        fields += [case.member(patch, seed, number) for number in range(1, members + 1)]
    return fields


def predict_field(
    case: Case,
    archive: Archive,
    time: int,
    columns: tuple[int, int],
    target: TargetSpec,
    tile: int | None = None,
    withheld: frozenset[int] = frozenset(),
) -> tuple[Tensor, Tensor]:
    """Predict one time over all rows of some columns, tile by tile, and conserve.

    The climatology of the months in `withheld` is not seen.

    Returns:
        The field, (1, h·k, w·k), and its aggregate, (1, h, w).
    """
    fine = empty_field(archive, columns)
    for place, (fields,) in predicted_tiles([case], archive, time, columns, target, tile, withheld):
        fine[place] = fields[0]
    return fine[None], coarse_means(fine, archive, target)[None]


def empty_field(archive: Archive, columns: tuple[int, int]) -> Tensor:
    k = archive.factor
    return torch.empty(archive.shape[0] * k, (columns[1] - columns[0]) * k)


def coarse_means(fine: Tensor, archive: Archive, target: TargetSpec) -> Tensor:
    area = torch.from_numpy(archive.area)[None] if target.by_area and archive.area is not None else None
    return aggregate(fine[None], archive.factor, area)[0]
