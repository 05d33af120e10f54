"""What stays unknown of the detail below the data: how much, and where more of it.

The mean square of what no relation explains is measured at each pair of levels. From cells to cells half as
large it falls by a factor that the levels show and that, for what is self-affine (Mandelbrot 1982), is
2^(−2H); it goes on so below the data, as far as H is known and the same in each octave. Where neighbours are
missing interpolation errs more; far up most cells lie at an edge and below the data few do, so their part is
measured apart and halves from octave to octave. That is one guess; the other is that the rest is spread over
scales and places as the covariates' own detail is, which is known, but does not grow on the way down as their
noise would. The two are weighed by how far the rest at the level of the data goes with that detail. Where the
rest was larger there it is taken to be larger below.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.fields.windows import spread_cells
from engine.sharpening.levels import STEP, Level
from engine.sharpening.missing_covariates import with_all_known
from engine.sharpening.relation import BLOCK, block_shape, by_block, on_cells, smoothed
from engine.sharpening.working_space import WorkingSpace

ALIKE, ALIKE_DEVIATION = 0.5, 0.25  # weight of the other guess before anything is measured
HURST, HURST_DEVIATION = 0.35, 0.25  # H before anything is measured
MEASURED = 0.4  # deviation of H measured from one level to the next
WINDOW = 1.5  # blocks
MOST_SKEWED = 4.0  # times the mean square that is expected
EVIDENCE = 60.0  # cells whose worth of the global mean square joins each local one
EDGES = 0.2  # deviation of the missing share of neighbours in those cells
LEAST = 0.5  # of the mean square that is there with all neighbours, at least
_TINY = 1e-12
_NODES, _WEIGHTS = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(8))


@dataclass(frozen=True)
class Unexplained:
    """Mean squares of detail that nothing explains, in the standardised working space.

    Attributes:
        here: at the level of the data, with all neighbours.
        hurst: H, by which its root falls with each halving of the cells, in octaves.
        places: (1, rows, columns) of blocks: the local mean square over the global one.
        energies: by the number of its term, the mean square of each covariate's own detail at that level.
        hurst_error: standard error of H.
        between: deviation of a single octave's H from it.
        alike: weight of the covariates' own detail in where and at which scales the rest is expected, 0..1.
        edges: what missing neighbours add in the first octave below the data, over `here`; halved by each
            further one, since the cells at an edge grow fewer.
    """

    here: float
    hurst: float
    places: Tensor
    energies: Mapping[int, float] = field(default_factory=dict)
    hurst_error: float = 0.0
    between: float = 0.0
    edges: float = 0.0
    alike: float = 0.0

    def below(self, first: float, last: float) -> float:
        """Return the mean square between two depths in octaves below the data (0: the data's cells)."""
        if last <= first:
            return 0.0
        half, middle = (last - first) / 2, (last + first) / 2
        depths = [middle + half * node for node in _NODES.tolist()]
        return half * float(_WEIGHTS @ torch.tensor([self._density(o) for o in depths], dtype=torch.float64))

    def _density(self, octaves: float) -> float:
        """Return the mean square per octave, so many octaves below the data's cells."""
        rate = 2 * self.hurst * math.log(2)  # of the octave that ends at the data it is `here` in all
        scale = rate / (math.exp(rate) - 1) if abs(rate) > 1e-6 else 1.0
        # What is known of H, and what an octave's own is apart from it, are normal: the mean of 2^(−2H·o).
        variance = (self.hurst_error * octaves) ** 2 + self.between**2 * octaves
        fall = math.exp(min(2 * math.log(2) ** 2 * variance - rate * octaves, 0.0))
        return self.here * scale * fall * (1 + 2 * self.edges * 2**-octaves)


@dataclass(frozen=True)
class Missed:
    """What covariates explain of the detail, and do not where they are missing.

    Attributes:
        plain: what would stay unknown without them.
        shares: of each that counts, its share in what they explain together.
    """

    plain: Unexplained
    shares: Mapping[str, float]

    def below(self, rest: Unexplained, first: float, last: float) -> float:
        """Return the mean square that they explain between two depths, so that `rest` is left."""
        return max(self.plain.below(first, last) - rest.below(first, last), 0.0)


def unexplained(
    levels: Sequence[Level],
    left: Sequence[Tensor],
    space: WorkingSpace,
    farther: float = 1.0,
    wanted: Collection[str] = (),
) -> Unexplained:
    """Return it.

    Args:
        levels: the data's first.
        left: what is left of the detail of each, (N·D, H, W).
        space: in which it is.
        farther: by how much more is left below the level of a fit than there.
        wanted: the covariates without which cells are left out.
    """
    whole, levels = levels, with_all_known(levels, wanted)
    inner = [
        _inner_square(level, rest, each.known) for level, rest, each in zip(levels, left, whole, strict=True)
    ]
    squares = [square for square, _ in inner]
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
    mean = max(_mean_square(level, left[0]), _TINY)
    places = (square + EVIDENCE * mean) / (count + EVIDENCE) / mean
    known = level.known.sum().clamp_min(1)
    energies = {
        number: float((level.values[number] * level.known).double().square().sum() / known)
        for number in level.own
    }
    kept = {number: energy for number, energy in energies.items() if energy > _TINY}
    hurst = min(max(total / weight, 0.0), 1.5)
    places = places.reshape(1, *shape).float()
    here = farther * squares[0] * _in_units(level, left[0], mean * places, space)
    there = whole[0].known[: level.dates]
    missing = _missing(there)[there]
    edges = inner[0][1] / max(squares[0], _TINY) * float(missing.mean()) if len(missing) else 0.0
    alike = _alike(level, left[0], kept) if kept else 0.0
    return Unexplained(here, hurst, places, kept, weight**-0.5, MEASURED, edges, alike)


def _alike(level: Level, rest: Tensor, energies: Mapping[int, float]) -> float:
    """Return how far the rest's squares go with those of the covariates' own detail, block by block."""
    own = sum((level.values[number].square() / energy for number, energy in energies.items()), 0 * rest)
    count, own, square = (
        by_block(part * level.known).sum(-1).flatten() for part in (torch.ones_like(rest), own, rest.square())
    )
    inside = count > 0
    count, own, square = count[inside], own[inside], square[inside]
    own, square = (part / count / (part.sum() / count.sum()).clamp_min(_TINY) for part in (own, square))
    apart = own - 1
    size = (count * apart.square()).sum().clamp_min(_TINY)
    slope = float((count * apart * square).sum() / size)
    error = float((count * apart * (square - 1 - slope * apart)).square().sum() / size.square())
    certainty, weight = 1 / max(error, _TINY), 1 / ALIKE_DEVIATION**2
    return min(max((weight * ALIKE + certainty * slope) / (weight + certainty), 0.0), 1.0)


def _mean_square(level: Level, rest: Tensor) -> float:
    """Return the mean square of what is left, as it would be without holes in the level."""
    freedom = float(level.freedom.double().sum())
    return float((rest * level.known).double().square().sum()) / freedom if freedom > 0 else 0.0


def _inner_square(level: Level, rest: Tensor, there: Tensor) -> tuple[float, float]:
    """Return the mean square where no neighbour is missing, and what is added where all are.

    Both come from a line over the share of missing neighbours, its slope drawn to zero; `there` is where the
    field itself is known.
    """
    rows, columns = (edge // STEP * STEP for edge in level.shape)
    freedom = level.freedom[:, :rows, :columns].double()
    square = (rest * level.known)[:, :rows, :columns].double().square()
    above = F.max_pool2d(there[:, :rows, :columns].float()[:, None], STEP)[:, 0] > 0
    missing = spread_cells(_missing(above), STEP).double()
    mean = _mean_square(level, rest)
    count = float(freedom.sum())
    if count <= 0 or mean <= _TINY:
        return mean, 0.0
    centre = float((freedom * missing).sum()) / count
    apart = missing - centre
    slope = float((square * apart).sum()) / (float((freedom * apart.square()).sum()) + EVIDENCE * EDGES**2)
    slope = min(max(slope, 0.0), (1 - LEAST) * mean / max(centre, _TINY))
    return mean - slope * centre, slope


def _missing(known: Tensor) -> Tensor:
    """Return (N, H, W) the share of each cell's 3 × 3 neighbourhood that is not known."""
    around = F.pad(known.float()[:, None], (1, 1, 1, 1))
    return 1 - F.avg_pool2d(around, 3, 1)[:, 0]


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
