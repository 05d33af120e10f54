"""Windows inside windows: fields and patches with part of their halo cut off."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from engine.fields.patch import Patch


def crop(field: Tensor, halo: int, factor: int = 1) -> Tensor:
    """Cut `halo` coarse cells off each side of (..., H·factor, W·factor)."""
    cut = halo * factor
    return field[..., cut : field.shape[-2] - cut, cut : field.shape[-1] - cut]


def strip(rows: int, across: int, cells: int, device: torch.device) -> int:
    """Return how many rows of a field to make at a time.

    Args:
        rows: of the field.
        across: cells that a row takes.
        cells: that stay in a processor's cache; another device takes all rows at once.
        device: of the field.
    """
    return min(rows, max(1, cells // across)) if device.type == "cpu" else rows


def spread_cells(cells: Tensor, factor: int) -> Tensor:
    """Repeat (…, h, w) over the factor × factor fine cells of each."""
    return cells.repeat_interleave(factor, -1).repeat_interleave(factor, -2)


def narrowed(patch: Patch, halo: int) -> Patch:
    """Return the patch with no more halo than asked for.

    Raises:
        ValueError: it has less.
    """
    cut = patch.halo - halo
    if cut < 0:
        raise ValueError(f"the patch has a halo of {patch.halo} coarse cells, the method needs {halo}")
    if cut == 0:
        return patch
    k = patch.factor

    def rows(values: Tensor | None) -> Tensor | None:
        return None if values is None else values[..., cut * k : values.shape[-1] - cut * k]

    return Patch(
        factor=k,
        halo=halo,
        target=crop(patch.target, cut),
        coarse={name: crop(values, cut) for name, values in patch.coarse.items()},
        fine={name: crop(values, cut, k) for name, values in patch.fine.items()},
        climatology=None if patch.climatology is None else crop(patch.climatology, cut, k),
        climatology_distance=patch.climatology_distance,
        cell_size=rows(patch.cell_size),
        area=rows(patch.area),
        day_of_year=patch.day_of_year,
        origin=patch.origin,
        date=patch.date,
        domain=None if patch.domain is None else crop(patch.domain, cut, k),
        turn=patch.turn,
        fold=patch.fold,
        lattice=patch.lattice,
        kept=patch.kept,
    )


def widened(patch: Patch, cells: int) -> Patch:
    """Return a patch whose windows reach `cells` coarse cells into the halo, which is that much thinner."""
    origin = None if patch.origin is None else patch.origin - cells
    return replace(patch, halo=patch.halo - cells, origin=origin)
