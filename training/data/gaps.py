"""Coarse cells with gaps in their truth, whose coarse value is the mean of the rest alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from engine.fields.conservation import aggregate
from engine.fields.patch import Patch
from engine.specs import TargetSpec
from training.data.archive import Archive
from training.data.patches import View, Window, cut

NEAR = 1e-4  # of the coarse value or of the truth's spread: two means this near are the same


def without_gaps(truth: np.ndarray, coarse: np.ndarray, area: np.ndarray | None = None) -> np.ndarray:
    """Return which fine cells a coarse value speaks of, (h·k, w·k) booleans.

    Where it equals the mean of the cells with a truth, these alone: the others (sea, edges) have no part in
    it, and a field that is held to it over all of them would be wrong in the rest. Elsewhere all cells.

    Args:
        truth: (h·k, w·k), NaN where unknown.
        coarse: (h, w).
        area: (h·k,) relative area of each row's cells, where the mean is by area.
    """
    known, factor = np.isfinite(truth), truth.shape[-1] // coarse.shape[-1]
    if known.all() or not known.any():
        return np.ones_like(known)
    rows = None if area is None else torch.from_numpy(area)
    mean = aggregate(torch.from_numpy(np.ascontiguousarray(truth)), factor, rows).numpy()
    near = np.abs(mean - coarse) <= NEAR * np.maximum(np.abs(coarse), truth[known].std())
    return known | ~near.repeat(factor, 0).repeat(factor, 1)


def told_cells(
    archive: Archive, windows: Sequence[Window], patch: Patch, target: TargetSpec
) -> Tensor | None:
    """Return the cells of a patch's domain that the coarse values of its own dates speak of, halo included.

    Args:
        archive: with the truth.
        windows: of the patch, without its halo.
        patch: cut for them.
        target: whose means are by area or by count.

    Returns:
        (B, H·k, W·k) booleans, None where it is all.
    """
    halo, (height, width) = patch.halo, patch.target.shape[-2:]
    whole = [replace(window, row=window.row - halo, column=window.column - halo) for window in windows]
    around, truth = cut(archive, whole, (height, width), 0, View(()))
    area = around.averaging_area(target)
    cells = []
    for number, (one, coarse) in enumerate(zip(truth.numpy(), around.target.numpy())):
        rows = None if area is None else area[number].numpy()
        cells.append(torch.from_numpy(without_gaps(one, coarse, rows)))
    told = torch.stack(cells)
    if patch.domain is not None:
        told &= patch.domain
    return None if bool(told.all()) else told
