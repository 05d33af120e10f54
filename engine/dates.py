"""Dates of bands: read from names, tags and NetCDF time axes, matched across rasters."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.errors import InputError

_DAY = re.compile(r"(?<!\d)(\d{4})-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])(?!\d)")
_MONTH = re.compile(r"(?<!\d)(\d{4})[-_]?(0[1-9]|1[0-2])(?!\d)")
_WRITTEN = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?|(--)?\d{1,2}")  # by a user; bands say it in more ways
_ANY_YEAR = re.compile(r"^\s*(?:--|month[ _-]*|m)?(0?[1-9]|1[0-2])\s*$", re.IGNORECASE)
_YEAR = re.compile(r"^\s*(\d{4})\s*$")
_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
_MONTHS.update({name.lower(): number for number, name in enumerate(calendar.month_abbr) if name})


@dataclass(frozen=True, order=True)
class When:
    """A day, a month, a month of any year (year None), or a year (month None)."""

    year: int | None
    month: int | None = None
    day: int | None = None

    def __str__(self) -> str:
        year = f"{self.year:04d}" if self.year is not None else "-"
        parts = [year] + [f"{n:02d}" for n in (self.month, self.day) if n is not None]
        return "-".join(parts)

    def matches(self, other: When) -> bool:
        """Return whether both may mean the same time, at the coarser precision of the two."""
        pairs = ((self.year, other.year), (self.month, other.month), (self.day, other.day))
        return all(a is None or b is None or a == b for a, b in pairs)

    @property
    def position(self) -> float:
        """Months since the start of the year, so that the middle of month m is at m."""
        if self.month is None:
            raise InputError(f"The date {self} names no month, but the climatology needs one.")
        if self.day is None:
            return float(self.month)
        length = calendar.monthrange(self.year or 2001, self.month)[1]
        return self.month + (self.day - 0.5) / length - 0.5

    @property
    def day_of_year(self) -> int:
        """Day of the year, 1..366; the middle of the month when no day is known."""
        if self.month is None:
            raise InputError(f"The date {self} names no month, but the season is needed.")
        return dt.date(self.year or 2001, self.month, self.day or 15).timetuple().tm_yday


def parse(text: str) -> When:
    """Read a date as a user writes it: 2001-11-05, 2001-11, 2001, or 11 for any year.

    Raises:
        InputError: the text is no date.
    """
    when = find(text) if _WRITTEN.fullmatch(text.strip()) else None
    parts = text.strip().removeprefix("--").count("-") + 1
    if when is None or sum(n is not None for n in (when.year, when.month, when.day)) != parts:
        raise InputError(f"{text!r} is no date: write YYYY-MM-DD, YYYY-MM, YYYY, or MM for any year.")
    return when


def find(text: str | None) -> When | None:
    """Return the date in a band's name or tag, or None."""
    if not text:
        return None
    if match := _DAY.search(text):
        year, month, day = (int(n) for n in match.groups())
        try:
            dt.date(year, month, day)
        except ValueError:
            return None
        return When(year, month, day)
    if match := _MONTH.search(text):
        return When(int(match[1]), int(match[2]))
    if match := _ANY_YEAR.match(text):
        return When(None, int(match[1]))
    if match := _YEAR.match(text):
        return When(int(match[1]))
    named = _MONTHS.get(text.strip().lower())
    return When(None, named) if named else None


def of_bands(
    descriptions: Sequence[str | None],
    tags: Sequence[Mapping[str, str]],
    dataset_tags: Mapping[str, str],
) -> list[When | None]:
    """Return each band's date from its tags, its name or a NetCDF time axis; None where none is said."""
    dates: list[When | None] = []
    for description, band in zip(descriptions, tags, strict=True):
        when = next((find(band[k]) for k in ("DATE", "date", "TIME", "time") if k in band), None)
        dates.append(when or _netcdf(band, dataset_tags) or find(description))
    return dates


def _netcdf(band: Mapping[str, str], dataset: Mapping[str, str]) -> When | None:
    """Read GDAL's NETCDF_DIM_<axis> value of a band with the axis' units and calendar."""
    for key, value in band.items():
        if not key.startswith("NETCDF_DIM_"):
            continue
        axis = key.removeprefix("NETCDF_DIM_")
        units = dataset.get(f"{axis}#units", "")
        if " since " not in units:
            continue
        import cftime

        kind = dataset.get(f"{axis}#calendar", "standard")
        try:
            date = cftime.num2date(float(value), units, calendar=kind)
        except (ValueError, OverflowError):
            return None
        return When(date.year, date.month, date.day)
    return None


def match(dates: Sequence[When | None], wanted: When, label: str) -> int:
    """Return the index of the one band for a date.

    Raises:
        InputError: no band or several bands fit; the sentence names the raster and the date.
    """
    fitting = [i for i, when in enumerate(dates) if when is not None and wanted.matches(when)]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        known = [when for when in dates if when is not None]
        span = f"it has {known[0]} to {known[-1]}" if known else "its bands carry no dates"
        raise InputError(f"{label} has no band for {wanted} ({span}).")
    raise InputError(
        f"{label} has {len(fitting)} bands for {wanted} (the first is {dates[fitting[0]]}): give a full date."
    )


def cyclic_months(a: float, b: float) -> float:
    """Return the distance of two positions in the year, in months, round its end."""
    distance = abs(a - b) % 12
    return min(distance, 12 - distance)
