"""What each covariate's relation is worth one level further down, measured above the data.

A relation fitted at one pair of levels is tried on the next finer pair: λ is the factor by which its detail
should be multiplied there. It is measured for each covariate wherever the levels above allow, with the error
of a jackknife over blocks. Below the data it is unknown; what is known of such relations is that they fade.
So λ is taken to be normally distributed about what the levels above show and `PRIOR`, nearer levels counting
more, and from step to step it goes back half way to `PRIOR`, unless it is below. A covariate whose
relation does not show a gain on blocks that it has not seen carries nothing down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.sharpening.levels import Level
from engine.sharpening.relation import FOLDS, BlockSums, Relation, Shrinkage, cells_of_blocks, contributions

PRIOR, PRIOR_DEVIATION = 0.8, 0.25  # of λ from octave to octave
BETWEEN = 0.2  # deviation of λ between octaves of the same field
LARGEST = 1.3
SHOWN = 2.5  # a gain is shown if it is so many times its standard error
_TINY = 1e-12


@dataclass(frozen=True)
class Measured:
    """A factor λ and its standard error."""

    factor: float
    error: float


@dataclass(frozen=True)
class Gain:
    """What is known of a covariate's relation.

    Attributes:
        here: λ at the level of the data, on blocks that the fit has not seen.
        across: λ from each level above to the next finer one, the nearest first.
    """

    here: Measured
    across: tuple[Measured, ...] = ()

    @property
    def shown(self) -> bool:
        """Whether the relation explains anything where it was not fitted."""
        nearest = self.across[:1]
        return self.here.factor > SHOWN * self.here.error and all(m.factor > m.error for m in nearest)

    def below(self, octaves: float) -> tuple[float, float]:
        """Return the factor that detail so many octaves below the data's own is expected to have.

        Args:
            octaves: 1 for the first halving of the cells.

        Returns:
            The factor, 0 where no gain is shown, and the deviation of the true one from it.
        """
        if not self.shown:
            return 0.0, 0.0
        mean, variance = self._next()
        product, spread = 1.0, 0.0
        whole = math.floor(octaves)
        for octave in range(1, whole + 2):
            share = 1.0 if octave <= whole else octaves - whole
            product *= mean**share
            spread += share * variance / max(mean, 0.1) ** 2
            if mean > PRIOR:
                mean = PRIOR + (mean - PRIOR) / 2
            variance = variance / 4 + 0.75 * BETWEEN**2
        return product, product * math.sqrt(spread)

    def _next(self) -> tuple[float, float]:
        """Return mean and variance of λ from the data's level to the next below it."""
        weight, total = 1 / PRIOR_DEVIATION**2, PRIOR / PRIOR_DEVIATION**2
        for age, measured in enumerate(self.across):
            certainty = 1 / (measured.error**2 + BETWEEN**2 * (1 + age))
            weight, total = weight + certainty, total + certainty * measured.factor
        return min(max(total / weight, 0.0), LARGEST), 1 / weight + BETWEEN**2 / 2


def factors(parts: Tensor, groups: Sequence[str], level: Level, folds: Tensor) -> dict[str, Measured]:
    """Return by what each covariate's part should be multiplied to explain the detail of a level best.

    Args:
        parts: (P, D, H, W) what each term explains.
        groups: the covariate of each term.
        level: whose detail is explained.
        folds: of its blocks.
    """
    names = list(dict.fromkeys(groups))
    if not names:
        return {}
    own = torch.stack([parts[[g == name for g in groups]].sum(0) for name in names])
    fold = cells_of_blocks(folds, level.shape)
    inside = [(fold == number) for number in range(FOLDS)]
    squares = torch.stack([_products(own * part, own) for part in inside])
    products = torch.stack([_products(own * part, level.detail[None])[:, 0] for part in inside])
    whole = _solve(squares.sum(0), products.sum(0))
    kept = [n for n in range(FOLDS) if float(squares[n].abs().sum()) > 0]
    if len(kept) < 2:
        return {name: Measured(float(x), math.inf) for name, x in zip(names, whole, strict=True)}
    without = torch.stack([_solve(squares.sum(0) - squares[n], products.sum(0) - products[n]) for n in kept])
    spread = (without - without.mean(0)).square().sum(0) * (len(kept) - 1) / len(kept)
    return {
        name: Measured(float(x), float(error) + _TINY)
        for name, x, error in zip(names, whole, spread.sqrt(), strict=True)
    }


def gains(sums: Sequence[BlockSums], how: Shrinkage, relations: Sequence[Relation]) -> dict[str, Gain]:
    """Return what each covariate's relation is worth.

    Args:
        sums: of each level, that of the data first.
        how: the relations were fitted.
        relations: of each level.
    """
    level = sums[0].level
    here = factors(sums[0].held_out(how), level.groups, level, sums[0].folds)
    across: dict[str, list[Measured]] = {name: [] for name in here}
    for finer, coarser in enumerate(relations[1:]):
        target = sums[finer]
        parts = contributions(target.level, coarser, 2)
        for name, measured in factors(parts, level.groups, target.level, target.folds).items():
            across[name].append(measured)
    return {name: Gain(measured, tuple(across[name])) for name, measured in here.items()}


def _products(a: Tensor, b: Tensor) -> Tensor:
    return torch.einsum("idhw,jdhw->ij", a.double(), b.double())


def _solve(squares: Tensor, products: Tensor) -> Tensor:
    ridge = 1e-3 * squares.diagonal() + _TINY
    return torch.linalg.solve(squares + torch.diag(ridge), products)
