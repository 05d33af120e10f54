"""The climatology ratio: the coarse field in the pattern of a climatology.

The idea of BCSD (Wood et al. 2004, Climatic Change 62): the coarse field's departure from the
climatology is smooth, so interpolate the departure and give the pattern from the climatology.
For a non-negative target the departure is a ratio, y = c·↑(X / C), else a difference,
y = c + ↑(X − C), with c the fine climatology, C its coarse mean, ↑ bilinear interpolation.

Ratios have bounds. They spread no further than `LARGEST_RATIO`; a coarse cell that is `UNTOLD` times its
climatology, or whose fine values would rise `LARGEST_PEAK` times above what is known around, is
interpolated instead: what a climatology knows of a desert is too little to say where in it it flooded.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.disaggregation.interpolation import interpolate, mask_like
from engine.disaggregation.peak_bound import beyond_bound
from engine.fields.conservation import aggregate, clipped
from engine.fields.domain import conserved, within
from engine.fields.patch import Patch
from engine.fields.upsample import upsample
from engine.fields.windows import crop, spread_cells
from engine.specs import TargetSpec

LARGEST_RATIO = 10.0  # to the climatology; a month can have 12 times the year's mean
UNTOLD = 100.0  # times the climatology: it is a trace, and says nothing of the pattern


def departure(coarse: Tensor, mean: Tensor, target: TargetSpec) -> Tensor:
    """Return the ratio or difference of a coarse field and a climatology's coarse mean.

    NaN where either is invalid, or where a ratio is above `UNTOLD`.
    """
    if not target.nonnegative:
        return coarse - mean
    coarse = coarse.clamp_min(0)
    ratio = coarse / mean.clamp_min(torch.finfo(mean.dtype).tiny)
    ratio = ratio.clamp_max(LARGEST_RATIO)
    return torch.where(coarse > UNTOLD * mean, torch.full_like(ratio, torch.nan), ratio)


def disaggregate(patch: Patch, climatology: Tensor, target: TargetSpec, kernel: str = "bilinear") -> Tensor:
    """Return the coarse field in the climatology's pattern.

    Where the climatology says nothing, or a ratio to it is beyond its bound, the result is the conserved
    bicubic interpolation.

    Args:
        patch: its halo is at least `HALO["bicubic"]`.
        climatology: (B, H·k, W·k) for the date, NaN where invalid.
        target: its rule and bounds.
        kernel: that interpolates the departure.

    Returns:
        (B, h·k, w·k) float32 within the bounds, NaN where the coarse cell is invalid and outside the
        patch's domain.
    """
    k = patch.factor
    area = patch.averaging_area(target)
    climatology = within(clipped(climatology, target), patch)
    coarse = departure(patch.target, aggregate(climatology, k, area), target)
    spread = upsample(coarse, k, kernel, patch.halo)
    pattern = crop(climatology, patch.halo, k)
    field = pattern * spread if target.nonnegative else pattern + spread
    field = clipped(field, target)
    # A departure filled in from neighbours is no departure of this cell.
    field = mask_like(field, crop(coarse, patch.halo), k)
    if target.nonnegative:  # as it is, and as conservation will have it
        wrong = beyond_bound(field, patch.target, climatology, k, patch.halo)
        wrong |= beyond_bound(conserved(field, patch, target), patch.target, climatology, k, patch.halo)
        if bool(wrong.any()):
            field = field.masked_fill(spread_cells(wrong, k), torch.nan)
    if bool(torch.isfinite(field).all()):
        return field
    smooth = interpolate(patch.target, k, target, "bicubic", patch.halo)
    return torch.where(torch.isfinite(field), field, conserved(smooth, patch, target))
