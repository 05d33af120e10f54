"""What stays unknown of the detail below the data: how much, and where more of it.

The mean square of what no relation explains is measured at each pair of levels. From cells to cells half as
large it falls by a factor that the levels show and that, for what is self-affine (Mandelbrot 1982), is
2^(−2H); it goes on so below the data. That is one guess; the other is that the rest is spread over scales and
places as the covariates' own detail is, which is known. The mean of the two is taken, and where the rest was
larger at the level of the data it is taken to be larger below.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.sharpening.levels import Level
from engine.sharpening.relation import BLOCK, block_shape, by_block, on_cells, smoothed
from engine.sharpening.working_space import WorkingSpace

HURST, HURST_DEVIATION = 0.4, 0.25  # H before anything is measured
MEASURED = 0.4  # deviation of H measured from one level to the next
WINDOW = 1.5  # blocks
MOST_SKEWED = 4.0  # times the mean square that is expected
EVIDENCE = 60.0  # cells whose worth of the global mean square joins each local one
_TINY = 1e-12


@dataclass(frozen=True)
class Unexplained:
    """Mean squares of detail that nothing explains, in the standardised working space.

    Attributes:
        here: at the level of the data.
        hurst: H, by which its root falls with each halving of the cells, in octaves.
        places: (1, rows, columns) of blocks: the local mean square over the global one.
        energies: by the number of its term, the mean square of each covariate's own detail at that level.
    """

    here: float
    hurst: float
    places: Tensor
    energies: Mapping[int, float] = field(default_factory=dict)

    def below(self, first: float, last: float) -> float:
        """Return the mean square between two depths in octaves below the data (0: the data's cells)."""
        # Per octave it is here · 2^(−2H·o); o = 0 for the octave that ends at the data.
        rate = 2 * self.hurst * math.log(2)
        if abs(rate) < 1e-6:
            return self.here * (last - first)
        per_octave = self.here * rate / (math.exp(rate) - 1) * math.exp(rate)  # its integral over one octave
        return per_octave / rate * (math.exp(-rate * (first + 1)) - math.exp(-rate * (last + 1)))


def unexplained(levels: Sequence[Level], left: Sequence[Tensor], space: WorkingSpace) -> Unexplained:
    """Return it from what is left of the detail, (D, H, W), at each level, the data's first."""
    squares = [_mean_square(level, rest) for level, rest in zip(levels, left, strict=True)]
    weight, total = 1 / HURST_DEVIATION**2, HURST / HURST_DEVIATION**2
    for age, (finer, coarser) in enumerate(zip(squares, squares[1:], strict=False)):
        if min(finer, coarser) > _TINY:
            certainty = 1 / (MEASURED**2 * (1 + age))
            weight += certainty
            total += certainty * 0.5 * math.log2(coarser / finer)
    level = levels[0]
    square = by_block((left[0].square() * level.known).sum(0)[None])[0].sum(-1) / level.phases
    count = by_block(level.freedom.sum(0)[None])[0].sum(-1) / level.phases
    shape = block_shape(level.shape)
    square, count = (smoothed(x[:, None], shape, WINDOW)[:, 0] for x in (square, count))
    mean = max(squares[0], _TINY)
    places = (square + EVIDENCE * mean) / (count + EVIDENCE) / mean
    known = level.known.sum().clamp_min(1)
    energies = {number: float(level.values[number].double().square().sum() / known) for number in level.own}
    kept = {number: energy for number, energy in energies.items() if energy > _TINY}
    hurst = min(max(total / weight, 0.0), 1.5)
    places = places.reshape(1, *shape).float()
    here = squares[0] * _in_units(level, left[0], squares[0] * places, space)
    return Unexplained(here, hurst, places, kept)


def _mean_square(level: Level, rest: Tensor) -> float:
    """Return the mean square of what is left, as it would be without holes in the level."""
    freedom = float(level.freedom.double().sum())
    return float((rest * level.known).double().square().sum()) / freedom if freedom > 0 else 0.0


def _in_units(level: Level, rest: Tensor, expected: Tensor, space: WorkingSpace) -> float:
    """Return by how much the mean square error in the target's units is larger than expected at the level.

    Errors of skewed quantities are larger where the quantity is than their mean in the working space tells.
    """
    if not bool(level.known.any()):
        return 1.0
    true, made = space.inverse(level.field), space.inverse(level.field - rest)
    square = on_cells(expected, BLOCK, level.shape) * space.stretch(made).square() * level.freedom
    known = level.known
    ratio = float((true - made)[known].double().square().mean()) / max(float(square[known].mean()), _TINY)
    return min(max(ratio, 1 / MOST_SKEWED), MOST_SKEWED)


def nothing_known() -> Unexplained:
    """Return what is told of a field too small to be averaged further."""
    return Unexplained(math.nan, HURST, torch.ones(1, 1, 1))
