"""What a method may see of a case, and the case with the truth that it may not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from affine import Affine

from engine.fields.conservation import aggregate
from engine.specs import TargetSpec

Origin = Literal["simulated", "measured", "modelled", "analysed", "synthetic"]


@dataclass(frozen=True)
class Covariate:
    """A fine field that the method is given.

    Attributes:
        name: of the source.
        units: as in a card.
        values: (T, h·k, w·k), or (1, h·k, w·k) where it does not change; NaN where it is unknown.
        kind: continuous, angle (degrees from north) or class, as `engine.source_kinds` has them.
    """

    name: str
    units: str
    values: np.ndarray
    kind: str = "continuous"

    @property
    def dynamic(self) -> bool:
        """Whether it has a field for each date."""
        return len(self.values) > 1


@dataclass(frozen=True)
class Problem:
    """All that a method is given: a coarse stack and covariates. There is no truth in it.

    Attributes:
        name: of the case.
        factor: k, fine cells along a coarse cell's edge.
        target: units, and whether it can be negative.
        dates: (T,), as the engine reads them.
        coarse: (T, h, w) float32, NaN where nothing is known.
        covariates: on the fine grid.
        transform, crs: of the coarse grid.
    """

    name: str
    factor: int
    target: TargetSpec
    dates: tuple[str, ...]
    coarse: np.ndarray
    covariates: tuple[Covariate, ...]
    transform: Affine
    crs: str

    @property
    def fine_transform(self) -> Affine:
        """Transform of the fine grid."""
        return self.transform * Affine.scale(1 / self.factor)


@dataclass(frozen=True)
class HiddenCase:
    """A problem and its truth, which the score alone sees.

    Attributes:
        problem: what methods are given.
        truth: (T, h·k, w·k) float32, NaN where there is none.
        title: in tables.
        origin: where the truth comes from, in a word.
        group: cases of one group count together as one in means over cases.
        most: the largest ratio to the reference that may come out here, None: as elsewhere.
        related: whether the covariates say anything about the detail at all.
        seconds: the longest that the method in question may take here, None: as it likes.
    """

    problem: Problem
    truth: np.ndarray
    title: str
    origin: Origin
    group: str
    most: float | None = None
    related: bool = True
    seconds: float | None = None


def hidden_case(
    name: str,
    truth: np.ndarray,
    factor: int,
    target: TargetSpec,
    dates: Sequence[str],
    covariates: Sequence[Covariate],
    fine_transform: Affine,
    crs: str,
    *,
    title: str,
    origin: Origin,
    group: str = "",
    least: float = 0.0,
    most: float | None = None,
    related: bool = True,
    seconds: float | None = None,
) -> HiddenCase:
    """Return a case whose coarse field is the plain mean of the truth's valid cells, and nothing else.

    Args:
        name, factor, target, dates, covariates, crs: see `Problem`.
        truth: (T, h·k, w·k), NaN where there is none.
        fine_transform: of the truth's grid.
        title, origin, group, most, related, seconds: see `HiddenCase`.
        least: share of a coarse cell's fine cells that must be valid for it to have a value.

    Raises:
        ValueError: the truth's shape is no multiple of the factor, or dates or covariates do not fit it.
    """
    truth = np.ascontiguousarray(truth, dtype=np.float32)
    if truth.ndim != 3 or any(edge % factor for edge in truth.shape[1:]):
        raise ValueError(f"{name}: a truth of {truth.shape} cells has no coarse cells of {factor} × {factor}")
    wrong = [c.name for c in covariates if c.values.shape not in {truth.shape, (1, *truth.shape[1:])}]
    if len(dates) != len(truth) or wrong:
        raise ValueError(f"{name}: {', '.join(wrong) or 'dates'} and a truth of {truth.shape} do not fit")
    coarse = aggregate(torch.from_numpy(truth), factor).numpy()
    covered = aggregate(torch.from_numpy(np.isfinite(truth).astype(np.float32)), factor).numpy()
    coarse = np.where(covered >= max(least, 1e-9), coarse, np.nan).astype(np.float32)
    scored = np.repeat(np.repeat(np.isfinite(coarse), factor, 1), factor, 2)
    problem = Problem(
        name,
        factor,
        target,
        tuple(dates),
        coarse,
        tuple(covariates),
        fine_transform * Affine.scale(factor),
        crs,
    )
    scored_truth = np.where(scored, truth, np.nan).astype(np.float32)
    return HiddenCase(problem, scored_truth, title, origin, group or name, most, related, seconds)
