"""Shape of the ground beyond a cell's own neighbours: position above or below them, and the sky seen."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

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
    around = F.pad(height, (reach,) * 4, value=math.nan)
    steps = sorted({min(reach, round(1.4**i)) for i in range(2 * reach.bit_length() + 2)})
    hidden = torch.zeros_like(height)
    for down, right in DIRECTIONS:
        apart = torch.hypot(down * cell_height, right * cell_width)
        steepest = torch.zeros_like(height)
        for step in steps:
            top, left = reach + down * step, reach + right * step
            there = around[:, top : top + rows, left : left + columns]
            steepest = torch.maximum(steepest, ((there - height) / (step * apart)).nan_to_num(nan=0.0))
        hidden += steepest / torch.sqrt(1 + steepest**2)
    return torch.where(torch.isfinite(height), 1 - hidden / len(DIRECTIONS), torch.nan)


def _square_mean(field: Tensor, radius: int) -> Tensor:
    """Return the mean over (2·radius + 1)² cells, zeros beyond the window, along one axis after the other."""
    size = 2 * radius + 1
    rows = F.pad(field, (radius, radius)).split(_ROWS, -2)
    across = torch.cat([_window_sum(part, size, -1) for part in rows], -2) / size
    return _window_sum(F.pad(across, (0, 0, radius, radius)), size, -2) / size


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
