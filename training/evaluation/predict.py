"""Whole fields of a method on an archive, predicted tile by tile through the engine, and conserved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.fields.conservation import aggregate
from engine.fields.domain import conserved
from engine.fields.patch import Patch
from engine.specs import TargetSpec
from training.data.archive import Archive
from training.data.gaps import told_cells
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
    group: str = "simple"  # simple: no learner, or one for each cell by itself; learned: others; model
    given: str = "all"  # of a model's sources; or without_climatology, without_sources
    of: str = ""  # the case whose members this one is made of, "" for a case of its own
    fitted: bool = False  # to the archive's truth, where it is compared
    network: bool = False  # conserved as it learned: over all cells, where it has no domain


@dataclass(frozen=True)
class Strip:
    """All rows of some columns at one time, predicted in tiles.

    Attributes:
        time: its index in the archive.
        columns: first and last + 1 coarse column.
        withheld: months whose climatology is not seen.
        tile: coarse cells along a tile's edge; None: by the factor.
    """

    time: int
    columns: tuple[int, int]
    withheld: frozenset[int] = frozenset()
    tile: int | None = None


@dataclass(frozen=True)
class Members:
    """How many members are drawn beside the central estimate, and from which seed."""

    count: int = 0
    seed: int = 0


@torch.no_grad()
def predicted_tiles(
    cases: Sequence[Case],
    archive: Archive,
    target: TargetSpec,
    strip: Strip,
    members: Members | None = None,
) -> Iterator[tuple[tuple[slice, slice], list[Tensor]]]:
    """Yield a strip tile by tile, each field conserved; see `patches_of` for the tiles.

    Args:
        cases: that predict alike and differ in their conservation alone: predicted once, by the first.
        archive: what they predict from.
        target: how to conserve.
        strip: where and when.
        members: to draw, for a case that can; None: none.

    Yields:
        The tile's place on the fine grid, counted from the first of the columns, and for each case its
        fields on the processor, (1 + members, ·, ·): the central estimate, then the members' draws.
    """
    for place, window, patch in patches_of(archive, strip, cases[0].halo, cases[0].view):
        if not cases[0].network or patch.domain is not None:
            patch.domain = told_cells(archive, [window], patch, target)
        fields = _drawn(cases[0], patch, members or Members())
        yield (
            place,
            [
                # Conserved where they were made; what is measured of them is measured on the processor.
                torch.cat([conserved(fine, patch, target, case.strength).to("cpu") for fine in fields])
                for case in cases
            ],
        )


def patches_of(
    archive: Archive, strip: Strip, halo: int, view: View
) -> Iterator[tuple[tuple[slice, slice], Window, Patch]]:
    """Yield a strip's tiles: place on the fine grid, from the first column; window; what is seen of it.

    A tile reaches no further than its coarse values do; one without any, where nothing is made, is left out.
    """
    k, height, columns = archive.factor, archive.shape[0], strip.columns
    tile = strip.tile or max(1, min(TILE, FINE_TILE // k))
    valued = np.isfinite(np.asarray(archive.coarse[strip.time]))
    for upper in range(0, height, tile):
        for first in range(columns[0], columns[1], tile):
            part = valued[upper : upper + tile, first : min(first + tile, columns[1])]
            inner = [np.flatnonzero(part.any(axis)) for axis in (1, 0)]
            if not inner[0].size:
                continue
            row, column = upper + int(inner[0][0]), first + int(inner[1][0])
            size = (int(inner[0][-1] - inner[0][0]) + 1, int(inner[1][-1] - inner[1][0]) + 1)
            window = Window(strip.time, row, column, strip.withheld)
            patch, _ = cut(archive, [window], size, halo, view)
            left = (column - columns[0]) * k
            rows, across = slice(row * k, (row + size[0]) * k), slice(left, left + size[1] * k)
            yield (rows, across), window, patch


def _drawn(case: Case, patch: Patch, members: Members) -> list[Tensor]:
    """Return the central estimate and the members' draws, before conservation."""
    if members.count and case.draws is not None:
        return list(case.draws(patch, members.seed, range(members.count + 1)))
    fields = [case.predict(patch)]
    if case.member is not None:
        fields += [case.member(patch, members.seed, number) for number in range(1, members.count + 1)]
    return fields


def predict_field(case: Case, archive: Archive, target: TargetSpec, strip: Strip) -> tuple[Tensor, Tensor]:
    """Predict a strip tile by tile, and conserve.

    Returns:
        The field, (1, h·k, w·k), and its aggregate, (1, h, w).
    """
    fine = empty_field(archive, strip.columns)
    for place, (fields,) in predicted_tiles([case], archive, target, strip):
        fine[place] = fields[0]
    return fine[None], coarse_means(fine, archive, target)[None]


def empty_field(archive: Archive, columns: tuple[int, int]) -> Tensor:
    """Return a fine field, (h·k, w·k), of all rows of some coarse columns, without values."""
    k = archive.factor
    return torch.full((archive.shape[0] * k, (columns[1] - columns[0]) * k), torch.nan)


def coarse_means(fine: Tensor, archive: Archive, target: TargetSpec) -> Tensor:
    """Return the aggregate, (h, w), of a fine field, (h·k, w·k), as the target's means are taken."""
    area = torch.from_numpy(archive.area)[None] if target.by_area and archive.area is not None else None
    return aggregate(fine[None], archive.factor, area)[0]
