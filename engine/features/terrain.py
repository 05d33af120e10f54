"""Shape of the ground beyond a cell's own neighbours: position above or below them, and the sky seen."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.fields.missing import all_finite

_ROWS = 64  # summed at a time, so that they stay in the processor's cache
DIRECTIONS = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))


def topographic_position(height: Tensor, radius: int) -> Tensor:
    """Return how far a cell lies above the mean of the square of cells round it.

    Weiss 2001, "Topographic position and landforms analysis", ESRI User Conference. The mean is over
    valid cells; beyond the window there are none.

    Args:
        height: (B, H, W), NaN where invalid.
        radius: cells from the middle of the square to its edge.
    """
    if all_finite(height):
        level = height.sum((1, 2), keepdim=True) / (height.shape[1] * height.shape[2])
        above = height - level
        share = _full_square_mean(height.shape, radius, height)
        return above - _square_mean(above, radius) / share.clamp_min(1e-6)
    valid = torch.isfinite(height)
    # Heights are taken from their mean, so that sums of many stay exact in float32.
    level = torch.where(valid, height, torch.zeros_like(height)).sum((1, 2), keepdim=True)
    level = level / valid.sum((1, 2), keepdim=True, dtype=torch.int32).clamp_min(1)
    above = torch.where(valid, height - level, torch.zeros_like(height))
    total, count = _square_mean(above, radius), _square_mean(valid.float(), radius)
    return torch.where(valid, height - level - total / count.clamp_min(1e-6), torch.nan)


def sky_view(height: Tensor, cell_height: Tensor, cell_width: Tensor, reach: int) -> Tensor:
    """Return the share of the sky that is seen, 1 on open ground: 1 − mean of sin(horizon angle).

    Zakšek, Oštir & Kokalj 2011, "Sky-view factor as a relief visualization technique", Remote
    Sensing 3(2), eq. 2, in eight directions. Cells without data, or beyond the window, hide nothing.

    Args:
        height: (B, H, W) in metres, NaN where invalid.
        cell_height, cell_width: (B, H, 1) in metres.
        reach: cells as far as which the horizon is looked for; beyond four, not every one is.
    """
    rows, columns = height.shape[-2:]
    known = torch.isfinite(height)
    # What is not known lies infinitely deep, and is never the highest.
    around = F.pad(height.masked_fill(~known, -math.inf), (reach,) * 4, value=-math.inf)
    steps = sorted({min(reach, round(1.4**i)) for i in range(2 * reach.bit_length() + 2)})
    apart = [torch.hypot(down * cell_height, right * cell_width) for down, right in DIRECTIONS]
    hidden = torch.zeros_like(height)
    piece = _ROWS if height.device.type == "cpu" else rows
    for row in range(0, rows, piece):
        part = slice(row, row + piece)
        own, hides = height[:, part], hidden[:, part]
        rise = torch.empty_like(own)
        for (down, right), long in zip(DIRECTIONS, apart, strict=True):
            steepest = torch.zeros_like(own)
            for step in steps:
                top, left = reach + down * step + row, reach + right * step
                there = around[:, top : top + own.shape[1], left : left + columns]
                torch.sub(there, own, out=rise)
                torch.maximum(steepest, rise.div_(step * long[:, part]), out=steepest)
            hides += steepest.div_(torch.sqrt(1 + steepest**2))
    return torch.where(known, 1 - hidden / len(DIRECTIONS), torch.nan)


def _square_mean(field: Tensor, radius: int) -> Tensor:
    """Return the mean over (2·radius + 1)² cells, zeros beyond the window, along one axis after the other."""
    size, length = 2 * radius + 1, field.shape[-2]
    piece = _ROWS if field.device.type == "cpu" else length
    rows = F.pad(field, (radius, radius)).split(piece, -2)
    across = torch.cat([_window_sum(part, size, -1) for part in rows], -2) / size
    across = F.pad(across, (0, 0, radius, radius))
    down = [across.narrow(-2, row, min(piece, length - row) + size - 1) for row in range(0, length, piece)]
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

    All cells of one neighbour are added at once, several times quicker than cell by cell as pooling
    does, in the same order: the sums are the same to the last digit, wherever the window begins.
    """
    length = field.shape[axis] - size + 1
    total = field.narrow(axis, 0, length).clone()
    for step in range(1, size):
        total += field.narrow(axis, step, length)
    return total
