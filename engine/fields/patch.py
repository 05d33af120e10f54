"""What a method sees: a batch of aligned windows, all in physical units, NaN where invalid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from odc.geo.geobox import GeoBox
from torch import Tensor

from engine.dates import When
from engine.fields.kept import KeptForDates
from engine.specs import TargetSpec


@dataclass
class Patch:
    """A batch of B windows of h × w coarse cells with `halo` more cells on each side.

    With k the factor, H = h + 2·halo and W = w + 2·halo. Every tensor is float32, in the units
    of the card, and NaN marks a cell without data (nodata, or beyond the raster).
    Methods return fields of (B, h·k, w·k): the windows without their halo.
    """

    factor: int
    halo: int
    target: Tensor  # (B, H, W), the coarse field
    coarse: dict[str, Tensor] = field(default_factory=dict)  # (B, C, H, W) per source given
    fine: dict[str, Tensor] = field(default_factory=dict)  # (B, C, H·k, W·k) per source given
    climatology: Tensor | None = None  # (B, M, H·k, W·k), one band for each month (or day)
    # (B, M) distance in months, round the year, from each band to the date asked for;
    # inf: withheld (in training, a sample must not see its own month).
    climatology_distance: Tensor | None = None
    cell_size: Tensor | None = None  # (B, 2, H·k): height and width in metres of each row's fine cells
    area: Tensor | None = None  # (B, H·k) relative area of each row's fine cells, or None when equal
    day_of_year: Tensor | None = None  # (B,), 1..366
    # (B, 2) int64: absolute coarse row and column of each window's first cell, halo left out; ensembles
    # need it, since their noise is fixed to the grid.
    origin: Tensor | None = None
    date: When | None = None  # of all its windows, where they have one
    # (B, H·k, W·k) bool: the fine cells that the coarse values speak of, and that a result has; None: all.
    domain: Tensor | None = None
    # (B,) block of training dates of each window, −1: none; what is fitted to the others is used.
    fold: Tensor | None = None
    lattice: GeoBox | None = None  # coarse cells, whose first one lies at row 0 and column 0 of `origin`
    turn: int | None = None  # coarse columns of a full turn of the globe: those that far apart are one place
    # What is made of static sources for all the dates of the tile; None: it is for one date.
    kept: KeptForDates | None = None

    @property
    def kept_of_climatology(self) -> KeptForDates | None:
        """What keeps things made of the climatology alone; a domain, which may change, cuts it."""
        return self.kept if self.domain is None else None

    def averaging_area(self, target: TargetSpec) -> Tensor | None:
        """Return the area by which cells weigh in the target's coarse means, None where they count alike."""
        return self.area if target.by_area else None


STAY = ("origin",)  # numbers that the processor looks at


def moved(patch: Patch, device: torch.device) -> Patch:
    """Return the patch on a device, where only the processor's own numbers stay."""
    if patch.target.device == device:
        return patch
    return rebuilt(patch, [x.to(device) for x in tensors_of(patch)])


def tensors_of(patch: Patch) -> list[Tensor]:
    """Return the tensors of a patch that a device needs."""
    tensors: list[Tensor] = []
    for part in fields(patch):
        value = getattr(patch, part.name)
        if isinstance(value, Tensor) and part.name not in STAY:
            tensors.append(value)
        elif isinstance(value, dict):
            tensors += value.values()
    return tensors


def rebuilt(patch: Patch, tensors: Sequence[Tensor]) -> Patch:
    """Return the patch with others in the places of the tensors of `tensors_of`, in their order."""
    given, changed = iter(tensors), dict[str, Any]()
    for part in fields(patch):
        value = getattr(patch, part.name)
        if isinstance(value, Tensor) and part.name not in STAY:
            changed[part.name] = next(given)
        elif isinstance(value, dict):
            changed[part.name] = {name: next(given) for name in value}
    return replace(patch, **changed)
