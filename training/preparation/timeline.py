"""Dates of rasters: read from file names, counted on, matched across series, and what is missing."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine import dates
from engine.dates import When, parse
from engine.errors import InputError
from engine.time_axis import dates_of, instant
from training.schema.dataset import FIELDS, BandDates

DAY = 86400  # s


def date_in_name(name: str, pattern: str, label: str) -> When:
    """Read the date of a file's name, e.g. `rain_{year}-{month}*.tif`.

    Raises:
        InputError: the name does not fit the pattern, or holds no date.
    """
    parts = re.split(r"(\{\w+\}|\*)", pattern)
    words = ""
    for part in parts:
        if part == "*":
            words += ".*"
        elif part.startswith("{"):
            words += f"(?P<{part[1:-1]}>{FIELDS[part[1:-1]]})"
        else:
            words += re.escape(part)
    match = re.fullmatch(words, name) or re.fullmatch(words, name.rsplit(".", 1)[0])
    if match is None:
        raise InputError(f"{label}.date: the file name {name} does not fit {pattern}.")
    given = {key: int(value) for key, value in match.groupdict().items()}
    year, month, day = given.get("year"), given.get("month"), given.get("day")
    if "doy" in given:
        counted = dt.date(year or 2001, 1, 1) + dt.timedelta(given["doy"] - 1)
        month, day = counted.month, counted.day
    when = When(year, month, day, given.get("hour"), given.get("minute"))
    known = [n is not None for n in when.parts[1:]]
    if known != sorted(known, reverse=True):
        raise InputError(f"{label}.date: {pattern} has a part of a date without the one before it.")
    try:
        return replace(when, calendar=parse(str(when)).calendar)
    except InputError as error:
        raise InputError(f"{label}.date: the file name {name} holds no date ({when}).") from error


def count_on(section: BandDates, count: int) -> list[When]:
    """Return the dates of bands: the first, and on by its step."""
    first, (step, unit) = dates.parse(section.first), section.counted
    if unit in ("year", "month"):
        start = replace(first, month=first.month or 1).to("month") if unit == "month" else first.to("year")
        return [_months_on(start, n * step, unit) for n in range(count)]
    seconds = {"day": DAY, "hour": 3600, "minute": 60}[unit]
    precision = "day" if unit == "day" else "minute"
    return [_seconds_on(first, n * step * seconds, precision) for n in range(count)]


def _months_on(when: When, count: int, unit: str) -> When:
    if unit == "year" or when.month is None:
        return When((when.year or 0) + count)
    months = when.month - 1 + count
    return When(None if when.year is None else when.year + months // 12, months % 12 + 1)


def _seconds_on(when: When, seconds: int, precision: str) -> When:
    """Return a date some seconds on, in its calendar."""
    (later,) = dates_of([instant(when) + seconds], when.calendar, precision)
    if later is None:
        raise ValueError(f"{when} has no date {seconds} s on")
    return later if when.year is not None else replace(later, year=None)


def gaps(dated: Sequence[When]) -> list[When]:
    """Return the dates that a regular series of months, days or shorter steps lacks."""
    if len(dated) < 2 or dated[0].year is None or dated[0].month is None:
        return []
    there, missing = set(dated), []
    if dated[0].hour is None:
        now, last = dated[0], dated[-1]
        while now < last:
            now = following(now)
            if now not in there:
                missing.append(now)
    else:
        seconds = np.array([instant(when) for when in dated])
        step = float(np.median(np.diff(seconds)))
        if step <= 0 or (np.diff(seconds) % step).any():
            return []
        every = np.arange(seconds[0], seconds[-1], step)
        lacking = every[~np.isin(every, seconds)]
        precision = "hour" if all(when.minute is None for when in dated) else "minute"
        missing = [w for w in dates_of(lacking, dated[0].calendar, precision) if w is not None]
    # A series with a longer step of its own (every 8 days, every season) has no gaps of days.
    return missing if len(missing) < len(dated) else []


def following(when: When) -> When:
    """Return the next day or month, in the date's calendar.

    Raises:
        ValueError: a date without year or month.
    """
    if when.year is None or when.month is None:
        raise ValueError(f"{when} has no next date: its year or month is not known")
    if when.day is not None and when.day < when.days_in_month:
        return replace(when, day=when.day + 1)
    year, month = (when.year, when.month + 1) if when.month < 12 else (when.year + 1, 1)
    return replace(when, year=year, month=month, day=1 if when.day is not None else None)


def partners(times: Sequence[When], own: Sequence[When | None], label: str) -> list[int | None]:
    """Return, for each time, the index of the one date of a series that means the same, or None.

    A series by months serves every day of them; one of months of any year serves every year.

    Raises:
        InputError: several dates fit one time.
    """
    result = _partners(times, own, label)
    if any(index is not None for index in result):
        return result
    by_month = ([w.to("month") for w in times], [w and w.to("month") for w in own])
    if monthly(times) and monthly([w for w in own if w is not None]):
        return _partners(*by_month, label)
    return result


def monthly(dated: Sequence[When]) -> bool:
    """Return whether days are stamps of months: one in each, at the same place in all of them."""
    days = [when.day for when in dated if when.day is not None]
    months = {(when.year, when.month) for when in dated}
    return bool(days) and len(days) == len(months) == len(dated) and max(days) - min(days) <= 3


def _partners(times: Sequence[When], own: Sequence[When | None], label: str) -> list[int | None]:
    index = {when: i for i, when in enumerate(own) if when is not None}
    shapes = {tuple(part is None for part in when.parts) for when in index}
    by_day: dict[When, set[int]] = {}  # what is finer than the times, by their days and months
    for when, i in index.items():
        for part in ("year", "month", "day", "hour"):
            if when != when.to(part):
                by_day.setdefault(when.to(part), set()).add(i)
    result: list[int | None] = []
    for time in times:
        fitting = set()
        for shape in shapes:
            kept = [None if gone else part for gone, part in zip(shape, time.parts, strict=True)]
            same = When(*kept)  # type: ignore[arg-type]  # five parts, whose number mypy does not see
            if same in index:
                fitting.add(index[same])
        if not fitting:  # a time coarser than the series' own dates
            fitting = set(by_day.get(time, ()))
        if len(fitting) > 1:
            first, part = own[min(fitting)], time.precision
            way = part if part in ("day", "month") else "month"
            raise InputError(
                f"{label} has {len(fitting)} rasters for {time} (the first is {first}): make them one with "
                f"aggregate: {way}:mean or {way}:sum, to the target's time step."
            )
        result.append(fitting.pop() if fitting else None)
    return result
