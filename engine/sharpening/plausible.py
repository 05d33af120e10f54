"""How much of a covariate's detail below the data is more than its detail above leads to expect.

Means over coarse cells take the noise of a fine covariate away (of an index from space, say), so the levels
above the data tell nothing of it; below them white noise has four times the mean square in each octave. A
field's own detail seldom grows so from octave to octave, unless it did so above already, as class patches'
does. What is more than that is taken for noise: the detail is multiplied by the share of its mean square that
is not (Wiener 1949, Extrapolation, Interpolation, and Smoothing of Stationary Time Series).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.fields.conservation import aggregate
from engine.fields.windows import spread_cells
from engine.sharpening.levels import STEP

SLACK = 1.5  # times what is expected that detail may have
MOST_FINE = 1_000_000  # fine cells that are looked at
LEAST = 16  # pairs of cells known on the coarsest grid that is looked at
FEWEST = 4  # the same on the one before, where that alone tells
LEAST_GROWTH, MOST_GROWTH = 0.8, 4.0  # of the mean square from octave to octave: of edges; of white noise
_TINY = 1e-12


@dataclass(frozen=True)
class DetailShares:
    """Shares of the mean square of a covariate's detail, 0..1, by the fine side's cells of each step.

    None where too little of it is known.

    Attributes:
        plausible: what is no more than its detail above leads to expect.
        steady: what is no more than in the octave that ends at the data.
    """

    plausible: Mapping[int, float] = field(default_factory=dict)
    steady: Mapping[int, float] = field(default_factory=dict)


def detail_shares(fine: Tensor, steps: Sequence[int]) -> DetailShares:
    """Return the shares of a covariate's detail.

    Args:
        fine: (C, h·k, w·k) a window of it, NaN where unknown.
        steps: factors of the steps down to it, their product k; a step's fine side has so many cells along a
            coarse cell's edge as it and those before it multiply to.
    """
    below: list[tuple[int, int, float]] = []
    means, cells = fine.double(), math.prod(steps)
    for step in reversed(steps):
        means, square, _ = _averaged(means, step)
        below.append((step, cells, square))
        cells //= step
    means, here, pairs = _averaged(means, STEP)
    _, above, known = _averaged(means, STEP)
    if pairs < FEWEST or here <= _TINY:
        return DetailShares()
    steady = {cells: min(here * math.log2(step) / max(square, _TINY), 1.0) for step, cells, square in below}
    if known < LEAST or above <= _TINY:
        return DetailShares({}, steady)
    growth, octaves = min(max(here / above, LEAST_GROWTH), MOST_GROWTH), 0.0
    plausible = {}
    for step, cells, square in reversed(below):
        depth = math.log2(step)
        expected = SLACK * here * depth * growth ** (octaves + depth)
        plausible[cells] = min(expected / max(square, _TINY), 1.0)
        octaves += depth
    return DetailShares(plausible, steady)


def window_to_look_at(shape: Sequence[int], factor: int) -> tuple[slice, slice]:
    """Return the coarse rows and columns, in the middle of so many, whose fine cells are looked at."""
    edge = max(1, math.isqrt(MOST_FINE) // factor)
    rows, columns = shape
    return _middle(rows, edge), _middle(columns, edge)


def _middle(size: int, most: int) -> slice:
    first = max(size - most, 0) // 2
    return slice(first, first + min(size, most))


def _averaged(field: Tensor, step: int) -> tuple[Tensor, float, int]:
    """Return a field's means, the mean square of what it stands out from them, and how many are known."""
    rows, columns = (size // step * step for size in field.shape[-2:])
    field = field[:, :rows, :columns]
    if not field.numel():
        return field[:, :0, :0], 0.0, 0
    means = aggregate(field, step)
    apart = (field - spread_cells(means, step)).square().sum(0)
    inside = torch.isfinite(apart)
    square = float(apart[inside].mean()) if bool(inside.any()) else 0.0
    return means, square, int(torch.isfinite(means).all(0).sum())
