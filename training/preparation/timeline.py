"""Dates of rasters: read from file names, counted on, matched across series, and what is missing."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Sequence

from engine import dates
from engine.dates import When
from engine.errors import InputError
from training.schema.dataset import FIELDS, BandDates


def order(when: When | None) -> tuple[int, int, int]:
    """Return a key that sorts dates."""
    return (when.year or 0, when.month or 0, when.day or 0) if when else (0, 0, 0)


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
    year = given.get("year")
    try:
        if "doy" in given:
            day = dt.date(year or 2001, 1, 1) + dt.timedelta(given["doy"] - 1)
            return When(year, day.month, day.day)
        if given.get("month") is not None:
            dt.date(year or 2000, given["month"], given.get("day", 1))
    except ValueError as error:
        raise InputError(f"{label}.date: the file name {name} holds no date ({error}).") from error
    return When(year, given.get("month"), given.get("day"))


def count_on(section: BandDates, count: int) -> list[When]:
    """Return the dates of bands: the first, and on by days, months or years."""
    first = dates.parse(section.first)
    year, month = first.year, first.month or 1
    times = []
    for step in range(count):
        if section.step == "year":
            times.append(When((year or 0) + step))
        elif section.step == "month":
            months = month - 1 + step
            times.append(When(None if year is None else year + months // 12, months % 12 + 1))
        else:
            day = dt.date(year or 2001, month, first.day or 1) + dt.timedelta(step)
            times.append(When(day.year if year is not None else None, day.month, day.day))
    return times


def gaps(dated: Sequence[When]) -> list[When]:
    """Return the dates that a regular series of days or months lacks between its first and last."""
    if not dated or dated[0].year is None or dated[0].month is None:
        return []
    there, missing = set(dated), []
    now, last = dated[0], dated[-1]
    while order(now) < order(last):
        now = following(now)
        if now not in there:
            missing.append(now)
    # A series with a longer step of its own (every 8 days, every season) has no gaps of days.
    return missing if len(missing) < len(dated) else []


def following(when: When) -> When:
    """Return the next day or month.

    Raises:
        ValueError: a date without year or month.
    """
    if when.year is None or when.month is None:
        raise ValueError(f"{when} has no next date: its year or month is not known")
    if when.day is not None and when.day < calendar.monthrange(when.year, when.month)[1]:
        return When(when.year, when.month, when.day + 1)
    year, month = (when.year, when.month + 1) if when.month < 12 else (when.year + 1, 1)
    return When(year, month, 1 if when.day is not None else None)


def partners(times: Sequence[When], own: Sequence[When | None], label: str) -> list[int | None]:
    """Return, for each time, the index of the one date of a series that means the same, or None.

    A series by months serves every day of them; one of months of any year serves every year.

    Raises:
        InputError: several dates fit one time.
    """
    index = {when: i for i, when in enumerate(own) if when is not None}
    shapes = {(w.year is None, w.month is None, w.day is None) for w in index}
    result: list[int | None] = []
    for time in times:
        fitting = set()
        for no_year, no_month, no_day in shapes:
            same = When(
                None if no_year else time.year,
                None if no_month else time.month,
                None if no_day else time.day,
            )
            if same in index:
                fitting.add(index[same])
        if not fitting and time.day is None:  # a time coarser than the series' own dates
            fitting = {i for when, i in index.items() if when.matches(time)}
        if len(fitting) > 1:
            first = own[min(fitting)]
            raise InputError(
                f"{label} has {len(fitting)} rasters for {time} (the first is {first}): aggregate them to "
                f"the target's time step first."
            )
        result.append(fitting.pop() if fitting else None)
    return result
