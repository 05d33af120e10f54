"""Which methods and models can be compared on a raster, and why others cannot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from engine import units
from engine.comparison.known_field import SMOOTH, KnownField
from engine.comparison.request import CompareRequest
from engine.errors import InputError, PackageError
from engine.methods.registry import BASELINES, baseline, variants
from engine.package.folder import Package, installed
from engine.pipeline.method_choice import resolution_fits


@dataclass(frozen=True)
class Contender:
    """A method to compare.

    Attributes:
        name: its id, with an ending where the same method comes in two ways.
        title: for people.
        model: its id or folder, as a request names it.
        strength: of the conservation; None: the model's own.
        sources: names of those that it takes; None: all.
        factor: of a model, None of a simple method.
    """

    name: str
    title: str
    model: str
    strength: float | None
    sources: frozenset[str] | None
    factor: int | None = None


@dataclass(frozen=True)
class Excluded:
    """A method that is not compared, and why."""

    name: str
    title: str
    why: str


def contenders(request: CompareRequest, known: KnownField) -> tuple[list[Contender], list[Excluded]]:
    """Return the methods that fit the target and the sources given, and the others that were in question.

    Raises:
        InputError: a method is asked for that there is none of, or is compared with itself alone.
    """
    packages = [p for p in installed(list(request.models)) if not isinstance(p, PackageError)]
    wanted = set(request.methods)
    unknown = sorted(wanted - set(BASELINES) - {p.card.id for p in packages})
    if unknown:
        raise InputError(f"There is no method {unknown[0]}: choose of {', '.join(BASELINES)} and the models.")
    taking: list[Contender] = []
    out: list[Excluded] = []
    for each in (*_simple(request, known), *(_model(p, request, known) for p in packages)):
        id = each.name.removesuffix("-conservative")
        if wanted and id != SMOOTH and id not in wanted:
            continue
        if isinstance(each, Contender):
            taking.append(each)
        else:
            out.append(each)
    return taking, out


def _simple(request: CompareRequest, known: KnownField) -> Iterable[Contender | Excluded]:
    for id, info in BASELINES.items():
        needs = [s.name for s in baseline(id, 2, known.spec).sources]
        lacks = [name for name in info.needs if name not in request.sources]
        title = info.title_for(known.spec)
        if not info.suits(known.spec):
            yield Excluded(id, title, "it is for temperatures alone")
        elif lacks:
            yield Excluded(id, title, f"it needs the source {lacks[0]}")
        else:
            sources = None if info.any_sources else frozenset(needs) & set(request.sources)
            for name, called, strength in variants(id, known.spec):
                yield Contender(name, called, id, strength, sources)


def _model(package: Package, request: CompareRequest, known: KnownField) -> Contender | Excluded:
    card = package.card
    name, title = card.id, card.name
    why = _unfit(package, request, known)
    if why:
        return Excluded(name, title, why)
    sources = frozenset(s.name for s in card.sources) & set(request.sources)
    return Contender(name, title, str(package.folder), None, sources, card.factor)


def _unfit(package: Package, request: CompareRequest, known: KnownField) -> str:
    card = package.card
    if not known.spec.units:
        return "the raster names no unit, so that nothing says that it is what the model was trained on"
    try:
        units.plan(known.spec.units, card.target.units, "target", card.target.name, {}, "")
    except InputError:
        return f"it is for {card.target.title or card.target.name} in {card.target.units}"
    if not resolution_fits(card, known.grid):
        return "its coarse cells in training were larger or smaller"
    for source in card.sources:
        given = source.name in request.sources or package.default_raster(source.name) is not None
        if not source.optional and not given:
            return f"it needs the source {source.name}"
    return ""
