"""The methods that are compared on an archive: the simple ones, and a model with sources withheld."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from engine.fields.patch import Patch, moved
from engine.methods.blended_base import BlendedBase
from engine.methods.registry import BASELINES, baseline, variants
from engine.specs import BaseSpec, SourceSpec, TargetSpec
from training.data.archive import ArchiveSource
from training.data.patches import View
from training.evaluation.predict import Case


def baseline_cases(
    factor: int, target: TargetSpec, view: View, archive_sources: Mapping[str, ArchiveSource]
) -> list[Case]:
    """Return every simple method whose sources the view holds, as it is and made conservative.

    Args:
        factor: k.
        target: the variable.
        view: what methods may see.
        archive_sources: what the archive has, by name.
    """
    usable = [archive_sources[name] for name in view.sources if name in archive_sources]
    cases = []
    for id, info in BASELINES.items():
        if not info.suits(target) or info.tells_error:  # it is fitted on a whole run
            continue
        method = baseline(id, factor, target)
        held = {
            wanted.name: source.name
            for wanted in method.sources
            for source in usable
            if _fits(source, wanted)
        }
        if any(not wanted.optional and wanted.name not in held for wanted in method.sources):
            continue
        sources = replace(view, sources=tuple(held.values()))
        for name, title, strength in variants(id, target):
            cases.append(Case(name, title, method.predict, method.halo, sources, strength))
    return cases


def _fits(source: ArchiveSource, wanted: SourceSpec) -> bool:
    """Return whether an archive's source is what a simple method wants: a climatology goes by any name."""
    if wanted.traits.of_target:
        return source.traits.of_target
    return (source.name, source.kind, source.grid) == (wanted.name, wanted.kind, wanted.grid)


def is_interpolation(case: Case) -> bool:
    """Return whether a case is a simple method that looks at the coarse field alone."""
    return case.group == "simple" and not case.view.sources and not case.fitted


def base_case(id: str, base: BlendedBase, spec: BaseSpec, view: View, device: torch.device) -> list[Case]:
    """Return what a model's residual stands on, where its card names it, with all of the view's sources.

    Args:
        id: of the model.
        base: at work, on the device.
        spec: of the card.
        view: what the model may see.
        device: where the model computes.
    """
    if not spec.weights:
        return []

    def predict(patch: Patch) -> Tensor:
        return base.field(moved(patch, device), 0)

    sources = tuple(s.name for s in base.card_sources if s.name in view.sources)
    view, title = replace(view, sources=sources), f"{id}, its base alone: {spec.in_words}"
    strength = 1.0 if spec.conserved else base.target.strength
    return [Case(f"{id}-base", title, predict, base.halo, view, strength, group="learned", fitted=True)]


def model_cases(
    id: str,
    predict: Callable[[Patch], Tensor],
    halo: int,
    view: View,
    sources: Sequence[SourceSpec],
    strength: float,
    member: Callable[[Patch, int, int], Tensor] | None = None,
    draws: Callable[[Patch, int, Sequence[int]], Iterable[Tensor]] | None = None,
) -> list[Case]:
    """Return a model with all sources, without the climatology, and without any.

    What is withheld must be optional; cases that would withhold a required source are left out.
    `member` and `draws` are those of `Case`; None: the model has no noise.
    """
    usable = {s.name: s for s in sources if s.name in view.sources}
    view = replace(view, sources=tuple(usable))
    climatology = {name for name, s in usable.items() if s.traits.of_target}
    title = f"{id}, all sources"
    cases = [Case(id, title, predict, halo, view, strength, member, draws, "model", network=True)]
    withheld: set[str] = set()
    for given, words, gone in (
        ("without_climatology", "without climatology", climatology),
        ("without_sources", "without any source", set(usable)),
    ):
        if gone and gone != withheld and all(usable[name].optional for name in gone):
            fewer = view.without(gone)
            name = f"{id}-{given.replace('_', '-')}"
            cases.append(replace(cases[0], name=name, title=f"{id}, {words}", view=fewer, given=given))
            withheld = gone
    return cases
