"""The base of a model whose card names it: simple methods, each conserved, by weights that sum to one.

Means of conserved fields are conserved, so the blend is. Where a card says so its methods are left free,
since a coarse product of another origin errs: a regression then keeps what it learned of a cell's mean. A
method whose sources are not there leaves its weight to the others, and so does the regression on the coarse
cells around where it was not fitted; where none is left, the base is what it is for a card that names none.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from odc.geo.geobox import GeoBox
from torch import Tensor

from engine.disaggregation.base_field import BASE_HALO, base_field
from engine.disaggregation.cell_regression import CellRegression
from engine.errors import InputError
from engine.fields.domain import conserved
from engine.fields.patch import Patch
from engine.fields.windows import narrowed, spread_cells, widened
from engine.methods.interface import BaseInUse, Method
from engine.methods.registry import BASELINES, baseline
from engine.specs import NEIGHBOURHOOD, BaseSpec, SourceSpec, TargetSpec


class BlendedBase:
    """The field on which a model's residual stands.

    Attributes:
        halo: coarse cells of context that it wants.
        sources: names of the sources, the climatology apart, that it looks at.

    Args:
        spec: of the card; without weights it is `base_field`.
        factor: k.
        target, sources: of the card.
        regression: on the coarse cells around, where `spec` names it.

    Raises:
        InputError: a method is unknown, cannot be a base, or is a regression that is not there.
    """

    def __init__(
        self,
        spec: BaseSpec,
        factor: int,
        target: TargetSpec,
        sources: Sequence[SourceSpec],
        regression: CellRegression | None = None,
    ) -> None:
        self.target, self.card_sources = target, tuple(sources)
        self.strength = 1.0 if spec.conserved else 0.0
        self.parts: list[tuple[Method, float]] = []
        self.regression, self.regression_weight = regression, 0.0
        for id, weight in spec.weights:
            if id == NEIGHBOURHOOD:
                if regression is None:
                    raise InputError(f"The base names {id}, but there is no fitted regression beside it.")
                self.regression_weight = weight
                continue
            if id not in BASELINES or not can_be_base(id):
                raise InputError(f"{id} cannot be a model's base: choose one of {', '.join(base_ids())}.")
            if weight > 0:
                self.parts.append((baseline(id, factor, target), weight))
        self.halo = max([BASE_HALO, *(method.halo for method, _ in self.parts)])
        self.sources = {
            source.name
            for method, _ in self.parts
            for source in method.sources
            if not source.traits.of_target
        }

    def field(self, patch: Patch, margin: int) -> Tensor:
        """Return the base, conserved, as `base_field` does; the patch's halo is `margin` + `halo`."""
        given = {(grid, name) for grid in ("coarse", "fine") for name in getattr(patch, grid)}
        there = self._there(given, patch.climatology is not None)
        fitted = cells = None
        inner = widened(patch, margin)
        if self.regression is not None and self.regression_weight > 0:
            fitted, cells = self.regression.field(inner, self.target)
            if not bool(cells.any()):
                fitted = None
            elif not there and bool(cells.all()):
                return self._conserved(fitted, inner)
        if there:
            others = self._blended(inner, there)
        else:
            narrow = narrowed(patch, BASE_HALO + margin)
            others = base_field(narrow, self.target, self.card_sources, margin)
        if fitted is None or cells is None:
            return others
        weight = self.regression_weight / (self.regression_weight + sum(weight for _, weight in there))
        blend = torch.lerp(others, self._conserved(fitted, inner), weight)
        return torch.where(spread_cells(cells, patch.factor), blend, others)

    def in_use(self, given: Collection[str], climatology: bool, grid: GeoBox) -> BaseInUse:
        """Return what a run's base is made of.

        Args:
            given: names of its sources.
            climatology: whether one is among them.
            grid: its coarse cells.
        """
        pairs = {(source.grid, source.name) for source in self.card_sources if source.name in given}
        used = [(method.id, weight) for method, weight in self._there(pairs, climatology)]
        fitted = None
        if self.regression is not None and self.regression_weight > 0:
            fitted = self.regression.share_of(grid)
            used += [(NEIGHBOURHOOD, self.regression_weight)] if fitted else []
        total = sum(weight for _, weight in used)
        return BaseInUse(tuple((id, weight / total) for id, weight in used), fitted)

    def _conserved(self, field: Tensor, inner: Patch) -> Tensor:
        return conserved(field, inner, self.target, self.strength)

    def _there(self, given: set[tuple[str, str]], climatology: bool) -> list[tuple[Method, float]]:
        return [part for part in self.parts if _allowed(part[0].sources, given, climatology)]

    def _blended(self, inner: Patch, parts: Sequence[tuple[Method, float]]) -> Tensor:
        bands = inner.climatology
        if bands is not None and inner.climatology_distance is None:
            inner.climatology_distance = torch.zeros(bands.shape[:2], device=bands.device)
        fields = [self._conserved(method.predict(inner), inner) for method, _ in parts]
        if len(fields) == 1:
            return fields[0]
        weights = torch.tensor([weight for _, weight in parts], device=inner.target.device)
        return torch.einsum("m,mbhw->bhw", weights / weights.sum(), torch.stack(fields))


def can_be_base(id: str) -> bool:
    """Return whether a simple method needs no fit to the run's own field, so that a card can name it."""
    return not BASELINES[id].tells_error


def base_ids() -> list[str]:
    """Return the ids that a card or a configuration may name."""
    return [*(id for id in BASELINES if can_be_base(id)), NEIGHBOURHOOD]


def _allowed(sources: Sequence[SourceSpec], given: set[tuple[str, str]], climatology: bool) -> bool:
    """Return whether the run has every source that a method cannot do without."""
    for source in sources:
        there = climatology if source.traits.of_target else (source.grid, source.name) in given
        if not there and not source.optional:
            return False
    return True
