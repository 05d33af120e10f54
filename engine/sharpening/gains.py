"""What each covariate's relation is worth one level further down, measured above the data.

A relation fitted at one pair of levels is tried on the next finer pair: λ is the factor by which its detail
should be multiplied there. It is measured for each covariate wherever the levels above allow, with the
error of a jackknife over blocks. What was fitted to chance is worth less than one on unseen blocks of its
own level already; that is told apart from fading. Below the data λ is unknown; what is known of such
relations is that most fade, and that those which explain nearly all and do not change from level to level
are laws that last. So λ is taken to be normally distributed about what the levels above show, nearer ones
counting more, and about a prior between `FADES` and one: the nearer to one, the more of the detail all
relations together explain and the nearer to one λ was. A λ above its prior goes back to it from step to
step. A covariate whose relation does not show a gain on blocks that it has not seen carries nothing down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.sharpening.levels import STEP, Level
from engine.sharpening.relation import FOLDS, BlockSums, Relation, cells_of_blocks, contributions

FADES, PRIOR_DEVIATION = 0.65, 0.25  # λ of a relation that is not known to last
STEADY = 0.25  # departure of λ from one at which it is no longer known to last
UNMEASURED = 0.6  # how far it is where λ could not be measured at all
BETWEEN = 0.2  # deviation of λ between octaves of the same field, of a relation that is not known to last
LAW = 0.985  # by how much the variance is less for one that surely does
BACK = 0.3  # of its lead over the prior that λ keeps from step to step
LARGEST, MOST = 1.3, 1.2  # λ of a step, and what detail is multiplied by at most
WHOLE = 0.2  # deviation from one of what a relation is worth on blocks of its own level that it has not seen
SEEN = 0.1  # the same of blocks that it has seen, which is where it is carried down
SHOWN = 2.5  # a gain is shown if it is so many times its standard error
# Or if it is so many times that at its own level and from the one above, and so many times the two together.
EACH, TOGETHER = 1.5, 3.5
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
        across: λ from each level above to the next finer one, the nearest first; what it lacks to one on
            unseen blocks of its own level does not count.
        explained: share of the detail's variance that all covariates explain at the level of the data.
    """

    here: Measured
    across: tuple[Measured, ...] = ()
    explained: float = 0.0

    @property
    def lasting(self) -> float:
        """How far the relation is known to last, 0..1."""
        steady = UNMEASURED
        if self.across:
            weights = [1 / (1 + age) for age in range(len(self.across))]
            apart = [max((m.factor - 1) ** 2 - m.error**2, 0.0) for m in self.across]
            square = sum(w * a for w, a in zip(weights, apart, strict=True)) / sum(weights)
            steady = math.exp(-square / STEADY**2)
        return min(max(self.explained, 0.0), 1.0) * steady

    @property
    def prior(self) -> float:
        """What λ is taken for beside what is measured."""
        return FADES + (1 - FADES) * self.lasting

    @property
    def _between(self) -> float:
        """Deviation of λ between octaves."""
        return BETWEEN * math.sqrt(1 - LAW * self.lasting)

    @property
    def shown(self) -> bool:
        """Whether the relation explains anything where it was not fitted.

        Of two independent estimates the sum over √2 is as sure as one (Stouffer et al. 1949, The American
        Soldier 1, p. 45).
        """
        here = self.here.factor / max(self.here.error, _TINY)
        if not self.across:
            return here > SHOWN
        above = self.across[0].factor / max(self.across[0].error, _TINY)
        together = min(here, above) > EACH and (here + above) / math.sqrt(2) > TOGETHER
        return above > 1 and (here > SHOWN or together)

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
        product, spread = min(settled(self.here, SEEN).factor, 1.0), 0.0
        whole = math.floor(octaves)
        for octave in range(1, whole + 2):
            share = 1.0 if octave <= whole else octaves - whole
            product *= mean**share
            spread += share * variance / max(mean, 0.1) ** 2
            if mean > self.prior:
                mean = self.prior + (mean - self.prior) * BACK
            variance = variance / 4 + 0.75 * self._between**2
        product = min(product, MOST)
        return product, product * math.sqrt(spread)

    def _next(self) -> tuple[float, float]:
        """Return mean and variance of λ from the data's level to the next below it."""
        weight, total = 1 / PRIOR_DEVIATION**2, self.prior / PRIOR_DEVIATION**2
        for age, measured in enumerate(self.across):
            certainty = 1 / (measured.error**2 + self._between**2 * (1 + age))
            weight, total = weight + certainty, total + certainty * measured.factor
        return min(max(total / weight, 0.0), LARGEST), 1 / weight + self._between**2 / 2


def settled(here: Measured, deviation: float) -> Measured:
    """Return what a relation is worth at its own level: its λ on unseen blocks, drawn to one."""
    weight, certainty = 1 / deviation**2, 1 / here.error**2
    factor = (weight + certainty * here.factor) / (weight + certainty)
    return Measured(max(factor, deviation), (weight + certainty) ** -0.5)


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
    own = torch.stack([parts[[g == name for g in groups]].sum(0) for name in names]).double()
    detail = level.detail.double()
    fold = cells_of_blocks(folds, level.shape)
    every, right = [], []
    for number in range(FOLDS):
        inside = fold == number
        part = own[:, :, inside].flatten(1)
        every.append(part @ part.T)
        right.append(part @ detail[:, inside].flatten())
    squares, products = torch.stack(every), torch.stack(right)
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


def gains(
    sums: Sequence[BlockSums], held_out: Sequence[Tensor], relations: Sequence[Relation]
) -> dict[str, Gain]:
    """Return what each covariate's relation is worth.

    Args:
        sums: of each level, that of the data first.
        held_out: what each term explains of each level, on blocks that its fit has not seen.
        relations: of each level.
    """
    level = sums[0].level
    own = [factors(parts, s.level.groups, s.level, s.folds) for s, parts in zip(sums, held_out, strict=True)]
    rest = (level.detail - held_out[0].sum(0)) * level.known
    total = float(level.detail.double().square().sum())
    share = 1 - float(rest.double().square().sum()) / max(total, _TINY)
    across: dict[str, list[Measured]] = {name: [] for name in own[0]}
    for finer, coarser in enumerate(relations[1:]):
        target = sums[finer]
        parts = contributions(target.level, coarser, STEP)
        for name, measured in factors(parts, level.groups, target.level, target.folds).items():
            across[name].append(faded(measured, settled(own[finer + 1][name], WHOLE)))
    return {name: Gain(measured, tuple(across[name]), share) for name, measured in own[0].items()}


def faded(across: Measured, own: Measured) -> Measured:
    """Return a relation's λ at the next finer level, over that at its own where both are less than one."""
    if across.factor >= 1 or own.factor >= 1:
        return across
    error = math.hypot(across.error, across.factor * own.error / own.factor) / own.factor
    return Measured(min(across.factor / own.factor, 1.0), error)


def _solve(squares: Tensor, products: Tensor) -> Tensor:
    ridge = 1e-3 * squares.diagonal() + _TINY
    return torch.linalg.solve(squares + torch.diag(ridge), products)
