"""Sharpening by covariates: detail that the coarse field itself shows to follow them, and no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from engine.dates import When, cyclic_months
from engine.errors import EngineError
from engine.fields.coarse_stack import CoarseStack
from engine.fields.domain import within
from engine.fields.patch import Patch
from engine.fields.windows import narrowed
from engine.methods.baseline_info import BaselineInfo
from engine.methods.interface import FittedMethod, Judged
from engine.sharpening.covariates import CovariateField
from engine.sharpening.descent import Descent, halo, steps
from engine.sharpening.fit import Fitted, fit
from engine.sharpening.fit_report import nothing_carried, report, sentences
from engine.sharpening.plausible import detail_shares
from engine.specs import SourceSpec, TargetSpec


class Sharpen(FittedMethod):
    """`engine.sharpening`, fitted on the run's own coarse field; it conserves of itself."""

    def __init__(self, info: BaselineInfo, factor: int, target: TargetSpec) -> None:
        super().__init__(info.id, info.title, factor, target)
        self.halo = halo(factor)
        self._descent: Descent | None = None
        self._names: tuple[str, ...] = ()
        self._dates: tuple[When | None, ...] = ()

    @property
    def bytes_per_cell(self) -> int:
        """Of the steps' fields and the covariates with their terms, for each fine cell of a patch."""
        relation = None if self._descent is None else self._fitted.relation
        kept = 0 if relation is None else relation.dates.shape[1]  # terms, for the dates to come
        return 120 + 30 * sum(source.channels for source in self.sources) + 6 * kept

    def fit(self, stack: CoarseStack, check: Callable[[], None]) -> None:
        """See `FittedMethod.fit`."""
        given = self._covariates(stack.covariates)
        names = [str(when) for when in stack.dates]
        fitted = fit(stack.target, given, self.target, names, stack.area, check)
        parts = steps(self.factor)
        shares = {name: detail_shares(stack.fine[name], parts) for name in given if name in stack.fine}
        fitted = replace(_with_mean(fitted), details=shares)
        self._descent = Descent(fitted, self.target, self.factor, stack.corner)
        self._names, self._dates = tuple(given), stack.dates

    @property
    def _fitted(self) -> Fitted:
        return self._ready.fitted

    @property
    def _ready(self) -> Descent:
        if self._descent is None:
            raise EngineError(f"{self.title} has to be fitted before it is used.")
        return self._descent

    @property
    def learned(self) -> dict[str, Any]:
        """What was learned, as plain data: levels, shrinkage, and of each covariate its gains."""
        return report(self._fitted, self.factor, self._given, len(self._dates))

    def learned_in_words(self) -> list[str]:
        """What was learned, in sentences."""
        return sentences(self._fitted, self.factor, self._given)

    @property
    def nothing_learned(self) -> str:
        """Why the result is no more than interpolation."""
        return nothing_carried(self._fitted, self._given)

    @property
    def _given(self) -> list[str]:
        return [source.name for source in self.sources]

    def judged(self, patch: Patch) -> Judged:
        """See `FittedMethod.judged`."""
        descent, patch = self._ready, narrowed(patch, self.halo)
        given = {name: within(x, patch) for name, x in patch.fine.items() if name in self._names}
        area, date = patch.averaging_area(self.target), self._number(patch.date)
        static = patch.domain is None and not any(s.dynamic for s in self.sources if s.name in given)
        kept = patch.kept if static and len(patch.target) == 1 else None
        origins = [[0, 0]] * len(patch.target) if patch.origin is None else patch.origin.tolist()
        made = [
            descent.window(
                patch.target[i : i + 1],
                self._covariates({name: values[i : i + 1] for name, values in given.items()}),
                date,
                (row, column),
                None if area is None else area[i : i + 1],
                None if patch.domain is None else patch.domain[i : i + 1],
                kept,
            )
            for i, (row, column) in enumerate(origins)
        ]
        field, error, support = (
            torch.stack([getattr(m, part) for m in made]) for part in ("field", "error", "support")
        )
        return Judged(field, error, support)

    def _covariates(self, values: dict[str, torch.Tensor]) -> dict[str, CovariateField]:
        """Return the covariates in the order of the sources."""
        return {
            source.name: CovariateField(values[source.name], _sloped(source))
            for source in self.sources
            if source.name in values
        }

    def _number(self, when: When | None) -> int:
        """Return which coefficients are a date's: its own, the nearest season's, or their mean."""
        if when in self._dates:
            return self._dates.index(when)
        seasons = [own.position if own is not None and own.month else None for own in self._dates]
        if when is None or when.month is None or None in seasons:
            return len(self._dates)  # the mean, which comes last
        apart = [cyclic_months(when.position, season) for season in seasons if season is not None]
        years = [(own.year or 0) - (when.year or 0) for own in self._dates if own is not None]
        months = [
            abs(12 * year + (season or 0) - when.position)
            for year, season in zip(years, seasons, strict=True)
        ]
        return min(range(len(apart)), key=lambda i: (round(apart[i], 3), months[i]))


def _sloped(source: SourceSpec) -> bool:
    return source.kind == "continuous"


def _with_mean(fitted: Fitted) -> Fitted:
    """Return the fit with the mean of all dates' coefficients after them, for dates that it has not seen."""
    if fitted.relation is None:
        return fitted
    dates = fitted.relation.dates
    relation = replace(fitted.relation, dates=torch.cat([dates, dates.mean(0, keepdim=True)]))
    return replace(fitted, relation=relation)


def build(info: BaselineInfo, factor: int, target: TargetSpec) -> Sharpen:
    """Return the method for a factor and a target."""
    return Sharpen(info, factor, target)
