"""What stays unknown of the detail below the data: how much, and where more of it.

The mean square of what no relation explains is measured at each pair of levels. From cells to cells half as
large it falls by a factor that the levels show and that, for what is self-affine (Mandelbrot 1982), is
2^(−2H); it goes on so below the data. Where it was larger at the level of the data it is taken to be larger
below.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.sharpening.levels import Level
from engine.sharpening.relation import by_block, smoothed

HURST, HURST_DEVIATION = 0.6, 0.4  # H before anything is measured
MEASURED = 0.4  # deviation of H measured from one level to the next
WINDOW = 1.5  # blocks
EVIDENCE = 60.0  # cells whose worth of the global mean square joins each local one
_TINY = 1e-12


@dataclass(frozen=True)
class Unexplained:
    """Mean squares of detail that nothing explains, in the standardised working space.

    Attributes:
        here: at the level of the data.
        hurst: H, by which its root falls with each halving of the cells, in octaves.
        places: (1, rows, columns) of blocks: the local mean square over the global one.
    """

    here: float
    hurst: float
    places: Tensor

    def below(self, first: float, last: float) -> float:
        """Return the mean square between two depths in octaves below the data (0: the data's cells)."""
        # Per octave it is here · 2^(−2H·o); o = 0 for the octave that ends at the data.
        rate = 2 * self.hurst * math.log(2)
        if abs(rate) < 1e-6:
            return self.here * (last - first)
        per_octave = self.here * rate / (math.exp(rate) - 1) * math.exp(rate)  # its integral over one octave
        return per_octave / rate * (math.exp(-rate * (first + 1)) - math.exp(-rate * (last + 1)))


def unexplained(levels: Sequence[Level], left: Sequence[Tensor]) -> Unexplained:
    """Return it from what is left of the detail, (D, H, W), at each level, the data's first."""
    squares = [
        float(rest[level.known].double().square().mean()) if bool(level.known.any()) else 0.0
        for level, rest in zip(levels, left, strict=True)
    ]
    weight, total = 1 / HURST_DEVIATION**2, HURST / HURST_DEVIATION**2
    for age, (finer, coarser) in enumerate(zip(squares, squares[1:], strict=False)):
        if min(finer, coarser) > _TINY:
            certainty = 1 / (MEASURED**2 * (1 + age))
            weight += certainty
            total += certainty * 0.5 * math.log2(coarser / finer)
    level = levels[0]
    square = by_block((left[0].square() * level.known).sum(0)[None])[0].sum(-1)
    count = by_block(level.known.float().sum(0)[None])[0].sum(-1)
    shape = tuple(-(-size // 4) for size in level.shape)
    square, count = (smoothed(x[:, None], shape, WINDOW)[:, 0] for x in (square, count))
    mean = max(squares[0], _TINY)
    places = (square + EVIDENCE * mean) / (count + EVIDENCE) / mean
    return Unexplained(squares[0], min(max(total / weight, 0.0), 1.5), places.reshape(1, *shape).float())


def nothing_known(shape: tuple[int, int]) -> Unexplained:
    """Return what is told of a field too small to be averaged further."""
    return Unexplained(math.nan, HURST, torch.ones(1, *shape))
