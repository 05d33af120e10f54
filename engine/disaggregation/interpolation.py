"""Interpolation of a target in the space that suits it, within its bounds."""

from __future__ import annotations

import torch
from torch import Tensor

from engine import transforms
from engine.fields.conservation import clipped
from engine.fields.upsample import upsample
from engine.fields.windows import crop, spread_cells
from engine.specs import TargetSpec


def mask_like(field: Tensor, coarse: Tensor, factor: int) -> Tensor:
    """Set to NaN the fine cells of each coarse cell without data.

    Args:
        field: (B, h·k, w·k).
        coarse: (B, h, w).
        factor: k.
    """
    known = torch.isfinite(coarse)
    if bool(known.all()):
        return field
    return torch.where(spread_cells(known, factor), field, torch.full_like(field, torch.nan))


def curved_space(target: TargetSpec) -> str:
    """Return the target's transform, or log1p for a non-negative target without one."""
    if target.transform == "identity" and target.nonnegative:
        return "log1p"
    return target.transform


def interpolate(coarse: Tensor, factor: int, target: TargetSpec, kernel: str, halo: int) -> Tensor:
    """Interpolate the target and keep it within its bounds.

    The bicubic kernel works in the target's transformed space (for a non-negative target without
    a transform, in log1p): its overshoots would be negative rain otherwise.

    Args:
        coarse: (B, H, W), NaN where invalid.
        factor: k.
        target: its transform and bounds.
        kernel: "bilinear" or "bicubic".
        halo: coarse cells to leave out on each side; at least `HALO[kernel]`.

    Returns:
        (B, h·k, w·k) float32, NaN where the coarse cell is invalid.
    """
    space = "identity" if kernel == "bilinear" else curved_space(target)
    values = transforms.transform(coarse, space, target.scale)
    field = transforms.inverse(upsample(values, factor, kernel, halo), space, target.scale)
    return mask_like(clipped(field, target), crop(coarse, halo), factor)
