"""What a result's bands are in the terms of the CF conventions 1.11: a variable, its axes and attributes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cftime
import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from engine.dates import When, days_in_month
from engine.errors import InputError

if TYPE_CHECKING:
    from affine import Affine

GRID_MAPPING = "crs"
_NO_NAME = re.compile(r"[^A-Za-z0-9_]+")
_NOT_OF_THE_FILE = ("AREA_OR_POINT", "TIFFTAG_", "OVR_", "LAYOUT", "COMPRESSION", "INTERLEAVE")


@dataclass(frozen=True)
class InnerAxis:
    """What the bands of one date are, such as quantiles.

    Attributes:
        name: of the dimension.
        values: one for each band.
        attributes: of its coordinate.
    """

    name: str
    values: tuple[float, ...]
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BandLayout:
    """What the bands of a file are: date by date, and in each along the inner axis.

    Attributes:
        variable: its name.
        long_name: of it.
        units: of it.
        dates: None alone: the field has no date.
        inner: None where a date has one band.
        way: how the steps of a date were made one, mean or sum; "" where they were not.
    """

    variable: str
    long_name: str
    units: str
    dates: tuple[When | None, ...] = (None,)
    inner: InnerAxis | None = None
    way: str = ""


@dataclass(frozen=True)
class Coordinate:
    """One coordinate variable.

    Attributes:
        dimensions: of it.
        values: numbers.
        attributes: of it.
    """

    dimensions: tuple[str, ...]
    values: NDArray[Any]
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class CfDataset:
    """All of a file but its cells.

    Attributes:
        variable: name of the variable.
        dimensions: of it, name → size, the two horizontal ones last.
        coordinates: by name; the grid mapping too, which has no dimension.
        attributes: of the variable.
        further: global attributes.
        crs: as WKT, "" where there is none.
    """

    variable: str
    dimensions: Mapping[str, int]
    coordinates: Mapping[str, Coordinate]
    attributes: Mapping[str, Any]
    further: Mapping[str, Any]
    crs: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of each dimension."""
        return tuple(self.dimensions.values())

    def place(self, band: int) -> tuple[int, ...]:
        """Return the indices along all but the horizontal dimensions of a band, from 0."""
        return tuple(int(i) for i in np.unravel_index(band, self.shape[:-2])) if self.shape[:-2] else ()


def cf_dataset(
    layout: BandLayout, size: tuple[int, int], affine: Affine, crs: Any, tags: Mapping[str, str]
) -> CfDataset:
    """Return the description of a file.

    Args:
        layout: what its bands are.
        size: rows and columns.
        affine: from (column, row) to coordinates.
        crs: what pyproj takes, or None.
        tags: of the file: provenance.

    Raises:
        InputError: the grid is turned, which two axes cannot tell.
    """
    check_unturned(affine)
    own = None if crs is None else CRS.from_user_input(crs)
    coordinates: dict[str, Coordinate] = {}
    dimensions: dict[str, int] = {}
    if layout.dates != (None,):
        coordinates.update(time_axis(layout.dates, layout.way))
        dimensions["time" if "time" in coordinates else "month"] = len(layout.dates)
    if layout.inner is not None:
        inner = layout.inner
        dimensions[inner.name] = len(inner.values)
        values = np.asarray(inner.values)
        coordinates[inner.name] = Coordinate((inner.name,), values, inner.attributes)
    horizontal = _horizontal(size, affine, own)
    dimensions |= {name: len(axis.values) for name, axis in horizontal.items()}
    attributes: dict[str, Any] = {"long_name": layout.long_name}
    if layout.units:
        attributes["units"] = layout.units
    if layout.way and "time" in dimensions:
        attributes["cell_methods"] = f"time: {layout.way}"
    if own is not None:
        attributes["grid_mapping"] = GRID_MAPPING
        mapping = {name: value for name, value in own.to_cf().items() if value is not None}
        mapping["spatial_ref"] = mapping.get("crs_wkt", own.to_wkt())
        a = affine
        mapping["GeoTransform"] = " ".join(f"{n:.17g}" for n in (a.c, a.a, a.b, a.f, a.d, a.e))
        coordinates[GRID_MAPPING] = Coordinate((), np.asarray(0, np.int32), mapping)
    coordinates |= horizontal
    variable = _NO_NAME.sub("_", layout.variable).strip("_") or "value"
    if variable in coordinates or variable[0].isdigit():
        variable = f"field_{variable}"
    further = {name: value for name, value in tags.items() if not name.startswith(_NOT_OF_THE_FILE)}
    software = tags.get("TIFFTAG_SOFTWARE", "MSR")
    stamp = tags.get("TIFFTAG_DATETIME", "").replace(":", "-", 2)
    further = {
        "Conventions": "CF-1.11",
        "title": layout.long_name,
        "source": f"{software}, {tags.get('MSR_MODEL', tags.get('MSR_METHOD', ''))}".rstrip(", "),
        "history": f"{stamp} made by {software}".strip(),
        **further,
    }
    wkt = "" if own is None else own.to_wkt()
    return CfDataset(variable, dimensions, coordinates, attributes, further, wkt)


def check_unturned(affine: Affine) -> None:
    """Refuse a grid whose rows do not lie along an axis.

    Raises:
        InputError: saying what to do.
    """
    if affine.b or affine.d:
        raise InputError(
            "The output's grid is turned, which NetCDF and Zarr do not tell: write a GeoTIFF (.tif), or "
            "choose a grid that is not."
        )


def _horizontal(size: tuple[int, int], affine: Affine, crs: CRS | None) -> dict[str, Coordinate]:
    """Return the axes of rows and columns, in that order."""
    rows, columns = (np.arange(n) + 0.5 for n in size)
    values = (affine.f + affine.e * rows, affine.c + affine.a * columns)
    attributes: list[dict[str, Any]]
    if crs is None:
        names, attributes = ["y", "x"], [{"axis": "Y"}, {"axis": "X"}]
    else:
        axes = {own["axis"]: own for own in crs.cs_to_cf()}
        attributes = [axes.get("Y", {"axis": "Y"}), axes.get("X", {"axis": "X"})]
        names = ["lat", "lon"] if attributes[0].get("standard_name") == "latitude" else ["y", "x"]
        if attributes[0].get("standard_name") == "grid_latitude":
            names = ["rlat", "rlon"]
    return {n: Coordinate((n,), v, a) for n, v, a in zip(names, values, attributes, strict=True)}


def time_axis(dates: Sequence[When | None], way: str = "") -> dict[str, Coordinate]:
    """Return the time coordinate and, of periods, its bounds; of months of any year the month's number.

    A period's time is its middle. Times are days since the first date's year, in the dates' calendar.

    Args:
        dates: all with a year, or all months of any year.
        way: how the steps of each were made one; then hours are no points in time.

    Raises:
        InputError: some have a year and others not, or they are days or times of day of any year.
    """
    known = [when for when in dates if when is not None]
    if len(known) < len(dates) or len({when.year is None for when in known}) != 1:
        raise InputError("Bands with and without a date or a year have no common time axis: write a GeoTIFF.")
    if known[0].year is None:
        if any(when.month is None or (when.day, when.hour) != (None, None) for when in known):
            raise InputError("Days and times of day of any year have no time axis: write a GeoTIFF (.tif).")
        attributes = {"long_name": "month of any year", "units": "month", "axis": "T"}
        return {
            "month": Coordinate(("month",), np.asarray([w.month or 0 for w in known], np.int32), attributes)
        }
    calendar = known[0].calendar
    units = f"days since {known[0].year:04d}-01-01"
    spans = np.asarray([_span(when, units) for when in known])
    attributes = {"standard_name": "time", "axis": "T", "units": units, "calendar": calendar}
    if bool((spans[:, 0] == spans[:, 1]).all()):
        return {"time": Coordinate(("time",), spans[:, 0], attributes)}
    return {
        "time": Coordinate(("time",), spans.mean(1), {**attributes, "bounds": "time_bnds"}),
        "time_bnds": Coordinate(("time", "bnds"), spans, {}),
    }


def _span(when: When, units: str) -> tuple[float, float]:
    """Return where a date begins and ends, in days; the same for a time of day."""
    year, month, day = when.year or 0, when.month, when.day

    def number(*parts: int) -> float:
        return float(cftime.date2num(cftime.datetime(*parts, calendar=when.calendar), units, when.calendar))

    if when.hour is not None:
        instant = number(year, month or 1, day or 1, when.hour, when.minute or 0)
        return instant, instant
    first = number(year, month or 1, day or 1)
    if month is None:
        return first, number(year + 1, 1, 1)
    length = days_in_month(year, month, when.calendar) if day is None else 1.0
    return first, first + length
