"""What a described data set comes to: grids, times, which layer goes where, and what is odd about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.crs import CRS

from engine.dates import When
from engine.errors import InputError
from engine.raster.georeference import crs_wkt, same_crs
from engine.raster.grids import bounds_in, check_size, part, plan, refine
from engine.raster.reader import Raster
from engine.raster.reference import GridRequest, RasterRef
from training.data.store_format import COARSE, FINE
from training.preparation.series import Layers, Series
from training.preparation.timeline import gaps, partners
from training.schema.dataset import Dataset, DatasetSource

_FINE = "grid: the fine grid"  # in sentences


@dataclass(frozen=True)
class Variable:
    """One array of the store, and the layers that fill it."""

    name: str
    title: str
    units: str
    grid: str  # coarse, fine
    series: Layers
    indices: tuple[int | None, ...] | None  # the layer of each time; None: static
    source: DatasetSource | None = None  # None for the target

    @property
    def rasters(self) -> Series:
        """The series of rasters; raises ValueError where the array is made otherwise."""
        if not isinstance(self.series, Series):
            raise ValueError(f"{self.name} does not come from rasters")
        return self.series

    @property
    def conserve(self) -> bool:
        """Whether the means of the rasters must be kept."""
        return self.name == COARSE


@dataclass
class StorePlan:
    """A data set, ready to be built."""

    dataset: Dataset
    coarse: GeoBox
    times: tuple[When, ...]
    variables: tuple[Variable, ...]  # the aggregate of the truth is not among them
    missing: dict[str, list[str]] = field(default_factory=dict)  # label → dates without a raster
    remarks: list[str] = field(default_factory=list)  # sentences for the user

    @property
    def fine(self) -> GeoBox:
        """The fine grid."""
        return refine(self.coarse, self.dataset.factor)

    def grid(self, variable: Variable) -> GeoBox:
        """Return the grid of a variable."""
        return self.fine if variable.grid == "fine" else self.coarse

    def get(self, name: str) -> Variable | None:
        """Return a variable by its name in the store."""
        return next((v for v in self.variables if v.name == name), None)

    def close(self) -> None:
        """Close every file."""
        for variable in self.variables:
            variable.rasters.close()


def make_plan(dataset: Dataset, folder: Path) -> StorePlan:
    """Find the rasters of a data set and lay it out.

    Args:
        dataset: the description.
        folder: that its relative paths start from.

    Raises:
        InputError: rasters that cannot be read, or do not fit together.
    """
    target = dataset.target
    described = {"fine": target.fine, "coarse": None if target.coarse == "aggregate" else target.coarse}
    pair = {
        grid: Series(section, folder, f"target.{grid}", target.units, target.valid_range)
        for grid, section in described.items()
        if section is not None
    }
    coarse = coarse_grid(dataset, folder, pair.get("fine"), pair.get("coarse"))
    rows, columns = (n * dataset.factor for n in coarse.shape)
    check_size(columns, rows, _FINE)
    result = StorePlan(dataset, coarse, (), ())
    for series in pair.values():
        result.remarks += series.remarks
    times = _times(dataset, pair, result)
    variables = [
        Variable(
            FINE if grid == "fine" else COARSE,
            target.title or target.name,
            target.units or series.file_units,
            grid,
            series,
            tuple(partners(times, series.dates, series.label)),
        )
        for grid, series in pair.items()
    ]
    for section in dataset.sources:
        series = Series(
            section,
            folder,
            f"sources.{section.name}",
            section.units,
            section.valid_range,
            section.dynamic,
            section.kind,
            section.classes,
        )
        result.remarks += series.remarks
        indices = None
        if section.dynamic:
            indices = tuple(partners(times, series.dates, series.label))
        units = series.traits.unit or section.units or series.file_units
        title = section.title or section.name
        variables.append(Variable(section.name, title, units, section.grid, series, indices, section))
    result.times, result.variables = tuple(times), tuple(variables)
    _check_dates(result)
    for variable in result.variables:
        _check_raster(variable, result)
    return result


def coarse_grid(dataset: Dataset, folder: Path, fine: Series | None, coarse: Series | None) -> GeoBox:
    """Return the coarse grid: the one asked for, else the coarse product's, else blocks of the truth's cells.

    Raises:
        InputError: a rotated grid, an unknown CRS, no overlap, a silly size.
    """
    asked, factor = dataset.grid, dataset.factor
    if asked is not None and asked.like is not None:
        path = Path(asked.like)
        raster = Raster(RasterRef(str(path if path.is_absolute() else folder / path)), "grid.like")
        try:
            if not raster.upright:
                raise InputError(f"grid.like: {asked.like} has a rotated grid.")
            return raster.geobox
        finally:
            raster.close()
    base = coarse or fine
    if base is None:
        raise ValueError("a target has rasters on one of the two grids at least")
    if base.grid is None:
        raise InputError(f"{base.label} has a rotated grid: say with the key grid which one is wanted.")
    if asked is not None and (asked.crs or asked.resolution):
        own = asked.resolution
        if isinstance(own, tuple):
            own = (own[0] / factor, own[1] / factor)
        elif own is not None:
            own = own / factor
        elif coarse is None and same_crs(CRS.from_user_input(asked.crs), crs_wkt(base.grid)):
            own = (abs(base.grid.affine.a), abs(base.grid.affine.e))
        with base.open(base.layers[:1]) as (raster, _):
            return plan(raster, factor, GridRequest(None, asked.crs, own, asked.extent), _FINE).coarse
    native, extent = base.grid, asked.extent if asked is not None else None
    if coarse is not None and fine is not None and extent is None and fine.grid is not None:
        extent = bounds_in(fine.grid, CRS.from_wkt(crs_wkt(native)))
    if extent is not None:
        native = part(native, extent, base.label)
    if coarse is not None:
        return native
    rows, columns = (math.ceil(n / factor) for n in native.shape)
    return GeoBox((rows, columns), native.affine * Affine.scale(factor), native.crs)


def _times(dataset: Dataset, pair: dict[str, Series], result: StorePlan) -> list[When]:
    """Return the dates that every part of the target has, within the period."""
    first = pair.get("fine") or pair["coarse"]
    times = [when for when in first.dates if when is not None and dataset.within(when)]
    if not times:
        span = f"{first.dates[0]} to {first.dates[-1]}"
        raise InputError(f"period: {first.label} has no date in it (it has {span}).")
    result.missing[first.label] = [str(t) for t in gaps(times)]
    if times[0].month is None:
        result.remarks.append(
            f"{first.label}: its dates name no month ({times[0]}), so nothing can be trained on the store: "
            f"give dates with one (date, band_dates)."
        )
    if len(pair) == 2:
        other = pair["coarse"]
        _check_steps(times[0], other)
        indices = partners(times, other.dates, other.label)
        result.missing[other.label] = [str(t) for t, i in zip(times, indices) if i is None]
        kept = [t for t, i in zip(times, indices) if i is not None]
        if not kept:
            raise InputError(
                f"target.fine ({times[0]} to {times[-1]}) and target.coarse ({other.dates[0]} to "
                f"{other.dates[-1]}) have no date in common."
            )
        times = kept
    return times


def _check_steps(when: When, other: Series) -> None:
    """Refuse a coarse product whose dates are coarser than the truth's: it is of another time."""
    theirs = next((w for w in other.dates if w is not None), when)
    here, there = (sum(part is not None for part in w.parts[1:]) for w in (when, theirs))
    if there < here:
        part = theirs.precision
        how = f" with aggregate: {part}:mean or {part}:sum" if part in ("day", "month") else ""
        raise InputError(
            f"target.fine has a {when.precision} at each step ({when}) and target.coarse a {part} "
            f"({theirs}): bring the fine one to the same step{how}."
        )


def _check_dates(result: StorePlan) -> None:
    """Say which dates are missing; drop them or stop, as the data set asks."""
    for label, dates in result.missing.items():
        if dates:
            result.remarks.append(f"{label} has no raster for {listed(dates)}; the store leaves them out.")
    gone: set[int] = set()
    for variable in result.variables:
        if variable.source is None or variable.indices is None:
            continue
        absent = [t for t, index in enumerate(variable.indices) if index is None]
        label, own = variable.rasters.label, variable.rasters.dates
        result.missing[label] = [str(result.times[t]) for t in absent]
        if not absent:
            continue
        if len(absent) == len(result.times):
            raise InputError(
                f"{label} ({own[0]} to {own[-1]}) has none of the dates of the target ({result.times[0]} to "
                f"{result.times[-1]})."
            )
        what = {
            "keep": "there the source is missing in the store",
            "drop": "the store leaves them out",
            "stop": "the data set asks to stop then (missing: stop)",
        }[result.dataset.missing]
        sentence = f"{label} has no raster for {listed(result.missing[label])}: {what}."
        if result.dataset.missing == "stop":
            raise InputError(sentence)
        result.remarks.append(sentence)
        gone |= set(absent) if result.dataset.missing == "drop" else set()
    if gone:
        _drop(result, gone)


def _drop(result: StorePlan, gone: set[int]) -> None:
    kept = [t for t in range(len(result.times)) if t not in gone]
    if not kept:
        raise InputError("No date is left on which every source has a raster.")
    result.times = tuple(result.times[t] for t in kept)
    result.variables = tuple(
        v
        if v.indices is None
        else Variable(v.name, v.title, v.units, v.grid, v.series, tuple(v.indices[t] for t in kept), v.source)
        for v in result.variables
    )


def _check_raster(variable: Variable, result: StorePlan) -> None:
    """Check overlap and units of a variable's first raster."""
    series = variable.rasters
    with series.open(series.layers[:1]) as (raster, _):
        if not raster.overlaps(result.grid(variable)):
            raise InputError(
                f"{series.label}: {series.layers[0].path} does not overlap the grid: check CRS and extent."
            )
    if series.traits.scalar and series.units and not series.file_units:
        result.remarks.append(
            f"{series.label}: the files say no units, so their values are taken as {series.units} (give "
            f"file_units if they are not)."
        )


def listed(dates: Sequence[str], most: int = 6) -> str:
    """Return dates in words: how many, and the first few."""
    shown = ", ".join(dates[:most])
    more = f" and {len(dates) - most} more" if len(dates) > most else ""
    return f"{len(dates)} date{'s' if len(dates) > 1 else ''}: {shown}{more}"
