"""The fit: from the coarse field and the covariates on its cells to a relation that is carried down."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.sharpening.covariates import Covariates, Standard
from engine.sharpening.gains import Gain, Measured, factors, gains
from engine.sharpening.levels import STEP, Level, levels
from engine.sharpening.relation import BlockSums, Relation, Shrinkage, contributions
from engine.sharpening.unexplained import Unexplained, nothing_known, unexplained
from engine.sharpening.working_space import WorkingSpace
from engine.specs import TargetSpec

RIDGES = (0.03, 0.3, 3.0, 30.0)
BY_DATE = (None, 1.0, 0.3)
LOCAL = ((None, 0.0), (1.2, 0.3), (1.2, 1.0), (2.5, 0.3))
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
    pairs = levels(coarse, covariates, standards, space, area)
    if not pairs:
        return Fitted(space, standards, None, (), {}, nothing_known(), 0, None, tuple(dates))
    if not covariates:
        rest = unexplained(pairs, [level.detail for level in pairs], space)
        return Fitted(space, standards, None, (), {}, rest, len(pairs), None, tuple(dates))
    sums = []
    for level in pairs:
        check()
        sums.append(BlockSums(level))
    how = _chosen(sums, check)
    relations = [each.fit(how) for each in sums]
    unseen = [each.held_out(how) for each in sums]
    worth = gains(sums, unseen[0], relations)
    left = [_left(each, parts, worth) for each, parts in zip(sums, unseen, strict=True)]
    groups = pairs[0].groups
    rest = unexplained(pairs, left, space)
    return Fitted(space, standards, relations[0], groups, worth, rest, len(pairs), how, tuple(dates))


def _chosen(sums: Sequence[BlockSums], check: Callable[[], None]) -> Shrinkage:
    """Return the shrinkage that errs least on unseen blocks, and from one level to the next."""
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
    return best


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
