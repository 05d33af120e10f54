"""Between water equivalent and depth of snow: the bulk density of Sturm et al. 2010.

J. Hydrometeorol. 11, 1380–1394, eq. 6: ρ(h, DOY) = (ρmax − ρ0)·[1 − exp(−k1·h − k2·DOY)] + ρ0, h in
centimetres, DOY from −92 on 1 October to 181 on 30 June, without a 0.
"""

from __future__ import annotations

import datetime as dt

import torch
from torch import Tensor

LAST = 181  # day of snow; later ones count as this


def day_of_snow(date: dt.date) -> int:
    """Return the DOY of the equation; after June it stays at the last one."""
    if date.month >= 10:
        return (date - dt.date(date.year, 12, 31)).days - 1
    return min((date - dt.date(date.year, 1, 1)).days + 1, LAST)


def density(depth: Tensor, day: int, constants: tuple[float, float, float, float]) -> Tensor:
    """Return the density over that of water.

    Args:
        depth: m.
        day: of snow.
        constants: ρmax, ρ0, k1, k2 of a class of snow.
    """
    highest, first, by_depth, by_day = constants
    return (highest - first) * (1 - torch.exp(-by_depth * 100 * depth - by_day * day)) + first


def depth_of(water: Tensor, day: int, constants: tuple[float, float, float, float]) -> Tensor:
    """Return the depth, m, that holds this water equivalent, mm: Newton's method on ρ(h)·h.

    Args:
        water: mm.
        day: of snow.
        constants: of the class of snow.
    """
    highest, first, by_depth, by_day = constants
    wanted = water / 1000
    fall = (highest - first) * torch.exp(torch.tensor(-by_day * day))
    depth = wanted / density(torch.zeros(()), day, constants)
    depth = torch.minimum(depth, wanted / (0.5 * highest))
    for _ in range(4):
        decay = fall * torch.exp(-by_depth * 100 * depth)
        value = (highest - decay) * depth - wanted
        depth = depth - value / (highest - decay + 100 * by_depth * decay * depth)
    return depth.clamp_min(0)
