"""The base of a model whose card names it: simple methods, each conserved, by weights that sum to one.

Means of conserved fields are conserved, so the blend is. A method whose sources are not there leaves its
weight to the others; where none is left, the base is what it is for a card that names none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from engine.disaggregation.base_field import BASE_HALO, base_field
from engine.errors import InputError
from engine.fields.domain import conserved
from engine.fields.patch import Patch
from engine.fields.windows import narrowed
from engine.methods.registry import BASELINES, baseline
from engine.specs import BaseSpec, SourceSpec, TargetSpec


class BlendedBase:
    """The field on which a model's residual stands.

    Attributes:
        halo: coarse cells of context that it wants.
        sources: names of the sources, the climatology apart, that it looks at.

    Args:
        spec: of the card; without weights it is `base_field`.
        factor: k.
        target, sources: of the card.

    Raises:
        InputError: a method is unknown, or cannot be a base.
    """

    def __init__(
        self, spec: BaseSpec, factor: int, target: TargetSpec, sources: Sequence[SourceSpec]
    ) -> None:
        self.target, self.card_sources = target, tuple(sources)
        self.parts = []
        for id, weight in spec.weights:
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
        inner = replace(patch, halo=patch.halo - margin)
        there = [(method, weight) for method, weight in self.parts if _allowed(method.sources, patch)]
        if not there:
            return base_field(narrowed(patch, BASE_HALO + margin), self.target, self.card_sources, margin)
        bands = patch.climatology
        if bands is not None and patch.climatology_distance is None:
            distance = torch.zeros(bands.shape[:2], device=bands.device)
            inner = replace(inner, climatology_distance=distance)
        fields = [conserved(method.predict(inner), inner, self.target) for method, _ in there]
        if len(fields) == 1:
            return fields[0]
        weights = torch.tensor([weight for _, weight in there], device=fields[0].device)
        return torch.einsum("m,mbhw->bhw", weights / weights.sum(), torch.stack(fields))


def can_be_base(id: str) -> bool:
    """Return whether a simple method needs no fit to the run's own field, so that a card can name it."""
    return not BASELINES[id].tells_error


def base_ids() -> list[str]:
    """Return the ids that a card or a configuration may name."""
    return [id for id in BASELINES if can_be_base(id)]


def _allowed(sources: Sequence[SourceSpec], patch: Patch) -> bool:
    """Return whether the patch has every source that a method cannot do without."""
    for source in sources:
        given = patch.fine if source.grid == "fine" else patch.coarse
        there = patch.climatology is not None if source.traits.of_target else source.name in given
        if not there and not source.optional:
            return False
    return True
