"""The fit: from the coarse field and the covariates on its cells to a relation that is carried down."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.sharpening.covariates import Covariates, Standard
from engine.sharpening.gains import Gain, Measured, factors, gains
from engine.sharpening.levels import STEP, Level, levels
from engine.sharpening.missing_covariates import with_all_known
from engine.sharpening.plausible import DetailShares
from engine.sharpening.relation import BlockSums, Relation, Shrinkage, block_shape, contributions
from engine.sharpening.terms import count, with_products
from engine.sharpening.unexplained import Missed, Unexplained, nothing_known, unexplained
from engine.sharpening.working_space import WorkingSpace
from engine.specs import TargetSpec

RIDGES = (0.03, 0.3, 3.0, 30.0)
BY_DATE = (None, 1.0, 0.3)
LOCAL = ((None, 0.0), (1.2, 0.3), (1.2, 1.0), (2.5, 0.3))
FARTHEST = 2.0  # times what a relation leaves at its own level that it may leave one level below
WORTH = 0.01  # by how much products must lessen the log of each error: what gains less, fading takes back
MOST_VALUES, MOST_SQUARES = 40_000_000, 50_000_000  # of products: terms on all cells, their squares by block
_TINY = 1e-12


@dataclass(frozen=True)
class Fitted:
    """What the levels above the data teach.

    Attributes:
        space: in which details add up.
        standards: of each covariate.
        relation: at the level of the data; None: nothing could be fitted.
        groups: the covariate of each term.
        gains: of each covariate.
        unexplained: the rest.
        levels: pairs of levels that were there.
        shrinkage: that was chosen.
        dates: the dates that were fitted, in the order of the relation's coefficients.
        products: covariates whose products are among the terms.
        missed: what a covariate explains and, where it is missing, does not.
        details: of each covariate, what its detail below the data is.
    """

    space: WorkingSpace
    standards: Mapping[str, Standard]
    relation: Relation | None
    groups: tuple[str, ...]
    gains: Mapping[str, Gain]
    unexplained: Unexplained
    levels: int
    shrinkage: Shrinkage | None
    dates: tuple[str, ...]
    products: tuple[str, ...] = ()
    missed: Missed | None = None
    details: Mapping[str, DetailShares] = field(default_factory=dict)


def fit(
    coarse: Tensor,
    covariates: Covariates,
    target: TargetSpec,
    dates: Sequence[str],
    area: Tensor | None = None,
    check: Callable[[], None] = lambda: None,
) -> Fitted:
    """Fit the relation of detail to covariates at the levels above the data.

    Args:
        coarse: (D, H, W) in the target's units, NaN where invalid.
        covariates: on the same cells, those that change with the date with D fields.
        target: its rule and bounds.
        dates: names of the D dates.
        area: (H,) relative area of each row's cells, where they weigh by it.
        check: called now and then; may raise to stop.
    """
    space = WorkingSpace.of(coarse, target)
    standards = {name: Standard.of(covariate) for name, covariate in covariates.items()}
    products = _products(covariates, coarse)
    pairs = levels(coarse, covariates, standards, space, area, products)
    if not pairs:
        return Fitted(space, standards, None, (), {}, nothing_known(), 0, None, tuple(dates))
    if not covariates:
        rest = unexplained(pairs, [level.detail for level in pairs], space)
        return Fitted(space, standards, None, (), {}, rest, len(pairs), None, tuple(dates))
    sums = []
    for level in pairs:
        check()
        sums.append(BlockSums(level))
    how, chosen = _best(sums, check)
    relations = [each.fit(how) for each in chosen]
    unseen = [each.held_out(how) for each in chosen]
    worth = gains(chosen, unseen, relations)
    left = [_left(each, parts, worth) for each, parts in zip(chosen, unseen, strict=True)]
    own = [each.level for each in chosen]
    if len(own[0].plain) == len(own[0].groups):
        products = ()
    shown = [name for name, gain in worth.items() if gain.shown]
    rest = unexplained(own, left, space, _farther(chosen, relations, left[0], worth), shown)
    missed = None
    if shown:
        plain = unexplained(own, [level.detail for level in own], space)
        missed = Missed(plain, _explained(chosen[0], unseen[0], shown))
    return Fitted(
        space,
        standards,
        relations[0],
        own[0].groups,
        worth,
        rest,
        len(own),
        how,
        tuple(dates),
        products,
        missed,
    )


def _explained(sums: BlockSums, unseen: Tensor, shown: Sequence[str]) -> dict[str, float]:
    """Return the share of each covariate that counts in what they explain of a level."""
    scale = factors(unseen, sums.level.groups, sums.level, sums.folds)
    squares = {}
    for name in shown:
        terms = [number for number, group in enumerate(sums.level.groups) if group == name]
        squares[name] = float((scale[name].factor * unseen[terms].sum(0)).double().square().sum())
    total = max(sum(squares.values()), _TINY)
    return {name: square / total for name, square in squares.items()}


def _farther(
    sums: Sequence[BlockSums], relations: Sequence[Relation], left: Tensor, worth: Mapping[str, Gain]
) -> float:
    """Return what a relation leaves one level below that of its fit, over what one fitted there leaves."""
    shown = torch.tensor([float(worth[group].shown) for group in sums[0].level.groups])
    if len(sums) < 2 or not bool(shown.any()):
        return 1.0
    level = sums[0].level
    parts = contributions(level, relations[1], STEP) * shown[:, None, None, None]
    scale = factors(parts, level.groups, level, sums[0].folds)
    known = with_all_known([level], [name for name, gain in worth.items() if gain.shown])[0].known
    rest = (level.detail - _scaled(parts, level, scale)) * known
    ratio = float(rest.double().square().sum()) / max(float((left * known).double().square().sum()), _TINY)
    return min(max(ratio, 1.0), FARTHEST)


def _products(covariates: Covariates, coarse: Tensor) -> tuple[str, ...]:
    """Return the covariates whose products to try; none on a field too large for them."""
    products = with_products(covariates)
    terms = count(covariates, products)
    blocks = math.prod(block_shape(coarse.shape[-2:]))
    if terms * coarse.numel() > MOST_VALUES or terms**2 * blocks > MOST_SQUARES:
        return ()
    return products


def _best(sums: Sequence[BlockSums], check: Callable[[], None]) -> tuple[Shrinkage, Sequence[BlockSums]]:
    """Return the shrinkage that errs least, see `_error`, and the sums: of products too where they gain."""
    plain = sums[0].level.plain
    how, error = _chosen(alone := [each.of_terms(plain) for each in sums], check)
    if len(plain) < len(sums[0].level.groups):
        full, less = _chosen(sums, check)
        if less < error - WORTH * min(len(sums), 2):
            return full, sums
    return how, alone


def _chosen(sums: Sequence[BlockSums], check: Callable[[], None]) -> tuple[Shrinkage, float]:
    """Return the shrinkage that errs least on unseen blocks and from one level to the next, and its error."""
    dates = sums[0].level.dates
    best, least = Shrinkage(RIDGES[0]), math.inf
    for ridge in RIDGES:
        for by_date in BY_DATE if dates > 1 else BY_DATE[:1]:
            check()
            how = Shrinkage(ridge, by_date)
            if (error := _error(sums, how)) < least:
                best, least = how, error
    without = best
    for window, local in LOCAL[1:]:
        check()
        how = Shrinkage(without.ridge, without.by_date, window, local)
        if (error := _error(sums, how)) < least:
            best, least = how, error
    return best, least


def _error(sums: Sequence[BlockSums], how: Shrinkage) -> float:
    """Return the log of the error on unseen blocks, and of that across levels where there are two."""
    level = sums[0].level
    total = max(float(level.detail.double().square().sum()), _TINY)
    rest = level.detail - sums[0].held_out(how).sum(0)
    error = 0.5 * math.log(max(float((rest * level.known).double().square().sum()) / total, _TINY))
    if len(sums) > 1:
        parts = contributions(level, sums[1].fit(how), STEP)
        scale = factors(parts, level.groups, level, sums[0].folds)
        rest = level.detail - _scaled(parts, level, scale)
        error += 0.5 * math.log(max(float((rest * level.known).double().square().sum()) / total, _TINY))
    return error


def _scaled(parts: Tensor, level: Level, scale: Mapping[str, Measured]) -> Tensor:
    by_term = torch.tensor([max(scale[group].factor, 0.0) for group in level.groups])
    return torch.einsum("p,pdhw->dhw", by_term, parts)


def _left(sums: BlockSums, unseen: Tensor, worth: Mapping[str, Gain]) -> Tensor:
    """Return what the covariates that show a gain leave of a level's detail, on blocks unseen by the fit."""
    level = sums.level
    shown = torch.tensor([float(worth[group].shown) for group in level.groups])
    if not bool(shown.any()):
        return level.detail
    parts = unseen * shown[:, None, None, None]
    scale = factors(parts, level.groups, level, sums.folds)
    return (level.detail - _scaled(parts, level, scale)) * level.known
