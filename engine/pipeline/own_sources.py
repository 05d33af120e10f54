"""Sources of a method that takes any raster: what each is, told by the user or seen in its file."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from engine import dates
from engine.band_dates import of_year
from engine.date_span import DateSpan, is_span
from engine.dates import When
from engine.errors import InputError
from engine.pipeline.inspection.early_look import sampled_values
from engine.pipeline.request import SuperResolveRequest
from engine.raster.reader import Raster
from engine.raster.reference import KINDS, RasterRef
from engine.specs import OwnSource

MOST_CLASSES = 12  # the most frequent ones; what is of no listed class has no share of any
_FEW = 24  # distinct whole numbers that may be classes
_CELLS = 2**20  # of a sample
_DEGREES = re.compile(r"deg(ree)?s?(_true|_north)?|°|arc_?degrees?", re.IGNORECASE)
_DIRECTION = re.compile(r"aspect|direction|azimuth|bearing|heading|wind_?dir|exposition", re.IGNORECASE)
_CLASSES = re.compile(
    r"land_?(cover|use)|lulc|class|category|categories|categorical|biome|soil_?type|geolog|litholog"
    r"|vegetation_?type|mask",
    re.IGNORECASE,
)
_VALUES = re.compile(  # whole numbers of these are few on flat ground or in a dry month, and values still
    r"elev|altitud|height|dem|dtm|dsm|topo|orograph|slope|depth|distance|temp|rain|precip|ndvi|lai|cover_fraction",
    re.IGNORECASE,
)


def own_sources(request: SuperResolveRequest, target: Raster) -> tuple[OwnSource, ...]:
    """Return what the rasters of a request are, for a method that takes any.

    Args:
        request: of the run.
        target: open; its dates tell which rasters change with the date, its `check` is called meanwhile.

    Raises:
        InputError: a raster that cannot be read, or is not of the kind that the user says.
    """
    return tuple(_source(name, ref, request, target) for name, ref in request.sources.items())


def kind_in_words(source: OwnSource) -> str:
    """Say as what a source was taken."""
    what = "taken as continuous values"
    if source.kind == "class":
        what = f"taken as classes ({', '.join(map(str, source.classes))})"
    elif source.kind == "angle":
        what = "taken as directions in degrees"
    when = "a field for each date" if source.dynamic else "the same for every date"
    return f"{what}, {'a field for each part of the year' if source.of_year else when}"


def _source(name: str, ref: RasterRef, request: SuperResolveRequest, target: Raster) -> OwnSource:
    if name == "target":
        raise InputError("A source cannot be named target: give it another name.")
    if ref.kind is not None and ref.kind not in KINDS:
        raise InputError(f"{name}: there is no kind {ref.kind}: choose one of {', '.join(KINDS)}.")
    raster = Raster(ref, name, check=target.check)
    try:
        kind = ref.kind or _seen_kind(raster)
        classes = _classes(raster) if kind == "class" else ()
        if kind == "angle" and not _in_degrees(raster):
            raise InputError(
                f"{name}: {ref.path} is in {raster.units}, but an angle must be in degrees from north."
            )
        wanted = _wanted(request, target)
        yearly = _of_year(raster, wanted)
        dynamic = yearly or _changes(raster, wanted)
        return OwnSource(
            name, raster.units, "fine", kind, dynamic, optional=False, classes=classes, of_year=yearly
        )
    finally:
        raster.close()


def _seen_kind(raster: Raster) -> str:
    """Return the kind that a raster seems to be of."""
    named = " ".join((raster.label, raster.variable, raster.attributes.get("standard_name", "")))
    if _DIRECTION.search(named) and _in_degrees(raster):
        values = sampled_values(raster, _CELLS, classes=True)
        known = bool(raster.units) or (values.size > 0 and float(values.max()) > 2 * np.pi)
        if known and values.size and values.min() >= -180 and values.max() <= 360:
            return "angle"
    if raster.names_numbers and raster.bare_numbers:
        return "class"
    labelled = _CLASSES.search(named) is not None
    if raster.units not in ("", "1") or not (raster.bare_numbers or labelled):
        return "continuous"
    if _VALUES.search(named) and not labelled:
        return "continuous"
    values = sampled_values(raster, _CELLS, classes=True)
    few = 1 < np.unique(values).size <= _FEW and values.size > 10 * _FEW
    return "class" if few and bool((values == np.round(values)).all()) else "continuous"


def _in_degrees(raster: Raster) -> bool:
    return raster.units in ("", "1") or _DEGREES.fullmatch(raster.units) is not None


def _classes(raster: Raster) -> tuple[int, ...]:
    """Return the most frequent classes, in the order of their numbers.

    Raises:
        InputError: the values are no class numbers.
    """
    values, counts = np.unique(sampled_values(raster, _CELLS, classes=True), return_counts=True)
    if not values.size:
        raise InputError(f"{raster.label}: {raster.ref.path} holds no valid value.")
    if bool((values != np.round(values)).any()):
        odd = values[values != np.round(values)][0]
        raise InputError(
            f"{raster.label}: {raster.ref.path} holds {odd:g}, which is no class number: take it as "
            f"continuous (kind {raster.label}=continuous), or give a raster of whole numbers."
        )
    often = np.argsort(-counts, kind="stable")[:MOST_CLASSES]
    return tuple(sorted(int(values[i]) for i in often))


def _wanted(request: SuperResolveRequest, target: Raster) -> list[When]:
    """Return the dates of the run, as far as they are known before it is checked."""
    if request.date and not is_span(request.date):
        return [dates.parse(request.date)]
    taken: Sequence[When | None] = target.dates
    if not request.all_dates and request.target.band is not None:
        taken = taken[request.target.band - 1 : request.target.band]
    span = DateSpan.parse(request.date) if request.date else None
    return [when for when in taken if when is not None and (span is None or span.holds(when))]


def _of_year(raster: Raster, wanted: Sequence[When]) -> bool:
    """Return whether its bands, without dates, are those of a year, of which the run has months."""
    alone = raster.ref.band is None and not any(raster.dates)
    return alone and of_year(raster.count) is not None and any(when.month for when in wanted)


def _changes(raster: Raster, wanted: Sequence[When]) -> bool:
    """Return whether a raster has bands for the dates of the run."""
    known = [when for when in raster.dates if when is not None]
    if raster.ref.band is not None or raster.count == 1 or len(known) < raster.count:
        return False
    return any(when.matches(own) for when in wanted for own in known)
