"""Snow that moves to neighbouring cells, by wind and by its weight; its mass is kept."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

NEIGHBOURS = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))  # rows, columns


def move(parts: Tensor) -> Tensor:
    """Return what arrives in each cell; what would leave the grid stays where it is.

    Args:
        parts: (8, H, W) amounts that go to each of NEIGHBOURS.
    """
    height, width = parts.shape[1:]
    arriving = torch.zeros(height, width)
    for part, (down, right) in zip(parts, NEIGHBOURS, strict=True):
        rows, into_rows = _pair(height, down)
        columns, into_columns = _pair(width, right)
        arriving[into_rows, into_columns] += part[rows, columns]
        if down:
            edge = -1 if down > 0 else 0
            arriving[edge] += part[edge]
        if right:
            edge = -1 if right > 0 else 0
            column = part[:, edge].clone()
            if down:
                column[-1 if down > 0 else 0] = 0  # the corner is counted already
            arriving[:, edge] += column
    return arriving


def _pair(length: int, shift: int) -> tuple[slice, slice]:
    if shift > 0:
        return slice(0, length - 1), slice(1, length)
    if shift < 0:
        return slice(1, length), slice(0, length - 1)
    return slice(None), slice(None)


def wind_shares(eastward: Tensor, northward: Tensor) -> Tensor:
    """Return the share of drifting snow that goes to each neighbour, (8, H, W), by the wind's direction."""
    shares = []
    for down, right in NEIGHBOURS:
        length = np.hypot(down, right)
        along = (eastward * (right / length) - northward * (down / length)).clamp_min(0)
        shares.append(along * along * along * along)
    stacked = torch.stack(shares)
    return stacked / stacked.sum(0)


def fall_shares(height: Tensor, cell: float) -> Tensor:
    """Return the share of sliding snow that goes to each neighbour, (8, H, W): by the fall towards it.

    In a hollow nothing goes anywhere: all shares are zero.
    """
    from training.simulation.surface import shifted

    falls = []
    for down, right in NEIGHBOURS:
        fall = (height - shifted(height, down, right)) / (cell * float(np.hypot(down, right)))
        falls.append(fall.clamp_min(0))
    stacked = torch.stack(falls)
    total = stacked.sum(0)
    return torch.where(total > 0, stacked / total.clamp_min(1e-9), torch.zeros(()))


def drift_share(wind: Tensor, threshold: float, scale: float) -> Tensor:
    """Return the share of loose snow that a day's wind lifts: 1 − exp(−(u³ − u_t³)/scale³), 0 below u_t.

    Saltation grows with the cube of the wind beyond a threshold (Pomeroy & Gray 1990).
    """
    excess = (wind * wind * wind - threshold**3).clamp_min(0)
    return 1 - torch.exp(-excess / scale**3)
