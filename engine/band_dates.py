"""Dates of the bands that GDAL shows: from their tags, their names, and the axes of NetCDF and GRIB."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from engine.dates import STANDARD, When, calendar_named, days_in_month, find
from engine.time_axis import decode

CALENDAR = "CALENDAR"  # a band's tag beside DATE, where the calendar is not the standard one
_TIME_OF_DAY = re.compile(r"\s*\d{2}:?\d{2}")
_DIMENSION = "NETCDF_DIM_"
_FIRST_AXES = ("valid_time", "time")  # of several with times, these say when a band is valid
_ABOUT = ("source", "title", "case", "history", "Conventions")


def of_bands(
    descriptions: Sequence[str | None],
    tags: Sequence[Mapping[str, str]],
    dataset_tags: Mapping[str, str],
) -> list[When | None]:
    """Return each band's date from its tags, a NetCDF or GRIB time axis, or its name; None where none is."""
    axis = _netcdf(tags, dataset_tags) or _grib(tags) or [None] * len(tags)
    return [
        _tagged(band) or on_axis or find(description)
        for description, band, on_axis in zip(descriptions, tags, axis, strict=True)
    ]


def date_tags(when: When | None) -> dict[str, str]:
    """Return the tags of a band from which its date is read again."""
    if when is None:
        return {}
    usual = when.calendar in (STANDARD, "proleptic_gregorian")
    return {"DATE": str(when), **({} if usual else {CALENDAR: when.calendar})}


def _tagged(band: Mapping[str, str]) -> When | None:
    """Return the date that a band's own tags say."""
    for key in ("DATE", "date", "TIME", "time"):
        when = find(band.get(key))
        if when is None:
            continue
        clock = band.get("TIME") or band.get("time") or ""
        if when.precision == "day" and key in ("DATE", "date") and _TIME_OF_DAY.match(clock):
            when = find(f"{when}T{clock.strip()}") or when
        return (
            replace(when, calendar=calendar_named(band[CALENDAR]) or STANDARD) if CALENDAR in band else when
        )
    return None


def _netcdf(tags: Sequence[Mapping[str, str]], dataset: Mapping[str, str]) -> list[When | None] | None:
    """Read the time axis that GDAL spreads over `NETCDF_DIM_<axis>` of the bands and `<axis>#units`."""
    there = {key.removeprefix(_DIMENSION) for band in tags for key in band if key.startswith(_DIMENSION)}
    for axis in sorted(there, key=lambda name: (name not in _FIRST_AXES, name)):
        units = dataset.get(f"{axis}#units", "")
        named = axis in _FIRST_AXES or dataset.get(f"{axis}#standard_name") == "time"
        if " since " not in units and "%Y" not in units and not named:
            continue
        dates = _along(
            [band.get(f"{_DIMENSION}{axis}") for band in tags],
            units,
            dataset.get(f"{axis}#calendar", ""),
            next((band["cell_methods"] for band in tags if "cell_methods" in band), ""),
            dataset.get("NC_GLOBAL#frequency", ""),
            "\n".join(dataset.get(f"NC_GLOBAL#{key}", "") for key in _ABOUT),
        )
        if any(dates):
            return dates
    return None


def _grib(tags: Sequence[Mapping[str, str]]) -> list[When | None] | None:
    """Read the time at which each band of a GRIB file is valid, in seconds since 1970."""
    times = [(band.get("GRIB_VALID_TIME") or "").split(" ")[0] for band in tags]
    if not any(times):
        return None
    return _along(times, "seconds since 1970-01-01", "proleptic_gregorian")


def _along(
    texts: Sequence[str | None],
    units: str,
    calendar: str,
    cell_methods: str = "",
    frequency: str = "",
    provenance: str = "",
) -> list[When | None]:
    """Return the dates of numbers in texts, several of which may say the same time."""
    numbers = np.full(len(texts), np.nan)
    for i, text in enumerate(texts):
        try:
            numbers[i] = float(text or "nan")
        except ValueError:
            continue
    distinct, place = np.unique(numbers, return_inverse=True)
    axis = decode(distinct, units, calendar, None, cell_methods, frequency, provenance)
    return [axis.dates[i] for i in place]


def of_year(bands: int) -> Sequence[When] | None:
    """Return the dates of a climatology that has as many bands as a year has months or days."""
    if bands == 12:
        return [When(None, month) for month in range(1, 13)]
    if bands not in (365, 366):
        return None
    kind = "noleap" if bands == 365 else "all_leap"
    lengths = [int(days_in_month(None, month, kind)) for month in range(1, 13)]
    return [When(None, m, d, calendar=kind) for m, n in enumerate(lengths, start=1) for d in range(1, n + 1)]
