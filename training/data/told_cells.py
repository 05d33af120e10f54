"""The cells of a patch that the coarse values of its own date speak of: those measured then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from engine.fields.patch import Patch
from engine.specs import TargetSpec
from training.data.archive import Archive
from training.data.gaps import without_gaps
from training.data.patches import View, Window, cut


def told_cells(
    archive: Archive, windows: Sequence[Window], patch: Patch, target: TargetSpec
) -> Tensor | None:
    """Return those cells of a patch's domain, (B, H·k, W·k) booleans, halo included; None where it is all.

    Args:
        archive: with the truth.
        windows: of the patch, without its halo.
        patch: cut for them.
        target: whose means are by area or by count.
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
