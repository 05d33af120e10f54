"""The domain: the fine cells that coarse values speak of. The others have no part in a coarse mean.

Outside of it (sea under a product of the land, what lies beyond a catchment or a glacier) a field is NaN,
which averages and conservation leave out. So this is where a patch's domain becomes NaN, and nowhere else.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.fields.conservation import conserve
from engine.fields.patch import Patch
from engine.fields.windows import crop
from engine.specs import TargetSpec


def within(field: Tensor, patch: Patch, cut: int = 0) -> Tensor:
    """Return a field of a patch, NaN outside the patch's domain; the field itself where that is everything.

    Args:
        field: (B, …, (H − 2·cut)·k, (W − 2·cut)·k).
        patch: its domain is (B, H·k, W·k), or None.
        cut: coarse cells that the field lacks on each side.
    """
    if patch.domain is None:
        return field
    inside = crop(patch.domain, cut, patch.factor)
    if bool(inside.all()):
        return field
    inside = inside.to(field.device).unflatten(0, (-1, *[1] * (field.ndim - 3)))
    return torch.where(inside, field, torch.full_like(field, torch.nan))


def conserved(fine: Tensor, patch: Patch, target: TargetSpec, strength: float = 1.0) -> Tensor:
    """Make a field of a patch's windows aggregate to their coarse cells, over the patch's domain.

    Args:
        fine: (B, h·k, w·k), in the target's units.
        patch: with the coarse values; its halo is cut off.
        target, strength: see `engine.fields.conservation.conserve`.

    Returns:
        (B, h·k, w·k) float32, NaN outside the domain and where the coarse value is missing.
    """
    k, halo = patch.factor, patch.halo
    area = patch.averaging_area(target)
    rows = None if area is None else area[:, halo * k : area.shape[1] - halo * k].to(fine.device)
    coarse = crop(patch.target, halo).to(fine.device)
    return conserve(within(fine, patch, halo), coarse, k, target, strength, rows)
