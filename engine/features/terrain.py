"""Shape of the ground beyond a cell's own neighbours: position above or below them, and the sky seen."""

from __future__ import annotations

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.fields.missing import all_finite
from engine.fields.windows import crop, strip

_CELLS = 2**18  # at a time, so that they stay in the processor's cache
DIRECTIONS = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))


def topographic_position(height: Tensor, radius: int, cut: int = 0) -> Tensor:
    """Return how far a cell lies above the mean of the square of cells round it.

    Weiss 2001, "Topographic position and landforms analysis", ESRI User Conference. The mean is over
    valid cells; beyond the window there are none.

    Args:
        height: (B, H, W), NaN where invalid.
        radius: cells from the middle of the square to its edge.
        cut: cells on each side that the result leaves out.
    """
    if all_finite(height):
        level = height.sum((1, 2), keepdim=True) / (height.shape[1] * height.shape[2])
        above = height - level
        total = _square_mean(above, radius, cut)
        if cut < radius:
            total /= crop(_full_square_mean(height.shape, radius, height), cut).clamp_min(1e-6)
        return crop(above, cut) - total
    valid = torch.isfinite(height)
    # Heights are taken from their mean, so that sums of many stay exact in float32.
    level = torch.where(valid, height, 0.0).sum((1, 2), keepdim=True)
    level = level / valid.sum((1, 2), keepdim=True, dtype=torch.int32).clamp_min(1)
    above = torch.where(valid, height - level, 0.0)
    total, count = _square_mean(above, radius, cut), _square_mean(valid.float(), radius, cut)
    total = crop(above, cut) - total / count.clamp_min(1e-6)
    return total.masked_fill_(~crop(valid, cut), torch.nan)


def sky_view(height: Tensor, cell_height: Tensor, cell_width: Tensor, reach: int, cut: int = 0) -> Tensor:
    """Return the share of the sky that is seen, 1 on open ground: 1 − mean of sin(horizon angle).

    Zakšek, Oštir & Kokalj 2011, "Sky-view factor as a relief visualization technique", Remote
    Sensing 3(2), eq. 2, in eight directions. Cells without data, or beyond the window, hide nothing.

    Args:
        height: (B, H, W) in metres, NaN where invalid.
        cell_height, cell_width: (B, H, 1) in metres.
        reach: cells as far as which the horizon is looked for; beyond four, not every one is.
        cut: cells on each side that the result leaves out.
    """
    known = torch.isfinite(height)
    # What is not known lies infinitely deep, and is never the highest.
    pad = max(reach - cut, 0)
    around = F.pad(height.masked_fill(~known, -math.inf), (pad,) * 4, value=-math.inf)
    height, known, first = crop(height, cut), crop(known, cut), cut + pad
    rows, columns = height.shape[-2:]
    steps = sorted({min(reach, round(1.4**i)) for i in range(2 * reach.bit_length() + 2)})
    tall, wide = (side[:, cut : side.shape[1] - cut] for side in (cell_height, cell_width))
    apart = [torch.hypot(down * tall, right * wide) for down, right in DIRECTIONS]
    hidden = torch.zeros_like(height)
    piece = strip(rows, columns, _CELLS, height.device)
    for row in range(0, rows, piece):
        part = slice(row, row + piece)
        own, hides = height[:, part], hidden[:, part]
        rise, steepest = torch.empty_like(own), torch.empty_like(own)
        for (down, right), long in zip(DIRECTIONS, apart, strict=True):
            steepest.zero_()
            for step in steps:
                top, left = first + down * step + row, first + right * step
                there = around[:, top : top + own.shape[1], left : left + columns]
                torch.sub(there, own, out=rise)
                torch.maximum(steepest, rise.mul_(1 / step), out=steepest)
            steepest.div_(long[:, part])
            hides += steepest.div_(torch.sqrt(1 + steepest**2))
    return torch.where(known, 1 - hidden / len(DIRECTIONS), torch.nan)


def _square_mean(field: Tensor, radius: int, cut: int = 0) -> Tensor:
    """Return the mean over (2·radius + 1)² cells, zeros beyond the window, along one axis after the other.

    `cut` cells on each side are left out.
    """
    field = F.pad(field, (radius - cut,) * 4)  # takes away where that is below zero
    size, rows = 2 * radius + 1, field.shape[-2] - 2 * radius
    piece = strip(field.shape[-2], field.shape[-1], _CELLS, field.device)
    across = torch.cat([_window_sum(part, size, -1) for part in field.split(piece, -2)], -2) / size
    down = [across.narrow(-2, row, min(piece, rows - row) + size - 1) for row in range(0, rows, piece)]
    return torch.cat([_window_sum(part, size, -2) for part in down], -2) / size


def _full_square_mean(shape: torch.Size, radius: int, like: Tensor) -> Tensor:
    """Return what `_square_mean` gives for ones, (1, H, W): the middle's value is found once.

    Along an axis it differs only near the ends.
    """
    edges = [min(n, 2 * radius + 1) for n in shape[-2:]]
    small = _square_mean(torch.ones((1, *edges), device=like.device), radius)
    for axis, (long, short) in enumerate(zip(shape[-2:], edges, strict=True), start=1):
        place = torch.arange(long, device=like.device)
        place = torch.where(place < long - radius, place.clamp_max(radius), place - (long - short))
        small = small.index_select(axis, place)
    return small


def _window_sum(field: Tensor, size: int, axis: int) -> Tensor:
    """Return the sums of `size` neighbours along an axis, which has size − 1 fewer of them.

    From sums of 1, 2, 4, … neighbours, all cells at once: some 2·log₂(size) additions in place of `size`, in
    the same order for every cell, so that the sums are the same to the last digit wherever the window begins.
    """
    length = field.shape[axis] - size + 1
    sums, span, taken = field, 1, size & 1
    parts = [field.narrow(axis, 0, length)] if taken else []
    while 2 * span <= size:
        rest = sums.shape[axis] - span
        sums, span = sums.narrow(axis, 0, rest) + sums.narrow(axis, span, rest), 2 * span
        if size & span:
            parts.append(sums.narrow(axis, taken, length))
            taken += span
    return functools.reduce(torch.add, parts)
