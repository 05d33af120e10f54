"""A smooth correction towards the coarse field, which leaves no steps at the edges of coarse cells.

The conservation layer (`engine.fields.conservation`) is exact, but constant inside each coarse cell. This
one interpolates the ratio of the coarse field to the fine one's means (for signed targets, the
difference), so it comes before, and leaves the layer little to do.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.fields.conservation import aggregate
from engine.fields.upsample import upsample
from engine.specs import TargetSpec

REACH = 2  # coarse cells that one correction looks at and cuts off on each side
OFFSET = 4.0  # of the target's scale, added to both sides of a ratio so that dry cells stay tame


def smooth_correction(
    field: Tensor, coarse: Tensor, factor: int, target: TargetSpec, area: Tensor | None = None
) -> Tensor:
    """Bring a field near the coarse means, less `REACH` coarse cells on each side.

    Args:
        field: (B, H·k, W·k) in the target's units, NaN where invalid.
        coarse: (B, H, W), likewise.
        factor: k.
        target: its rule and scale.
        area: (B, H·k) relative area of each row's fine cells; None: they count the same.

    Returns:
        (B, (H − 2·REACH)·k, (W − 2·REACH)·k) float32, NaN where `field` is.
    """
    cut = REACH * factor
    inner = field[:, cut : field.shape[1] - cut, cut : field.shape[2] - cut]
    mean = aggregate(field, factor, area)
    positive = target.nonnegative
    offset = OFFSET * target.scale if positive else 0.0
    change = (
        torch.log((coarse.clamp_min(0) + offset) / (mean.clamp_min(0) + offset))
        if positive
        else coarse - mean
    )
    # Where nothing is known nothing is corrected: filling would look farther.
    change = torch.where(torch.isfinite(change), change, torch.zeros_like(change))
    change = upsample(change, factor, "bicubic", REACH)
    if not positive:
        return inner + change
    return torch.exp(change).mul_(inner + offset).sub_(offset)
