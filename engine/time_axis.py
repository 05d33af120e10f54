"""Dates from CF time axes: values, units, calendar and bounds to years, months, days and times of day.

Follows the CF conventions 1.11, section 4.4 (time coordinate) and 7.1 and 7.4 (bounds and climatologies), and
what files have besides: months and years since, dates written as numbers, axes without bounds.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cftime
import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.dates import When, calendar_named, days_in_month, find
from engine.time_zones import without_zone

_EPOCH = "seconds since 2000-01-01"  # of instants, in their calendar
_FARTHEST = 1e12  # s from there that a time may lie, some 30 000 years
_DAY = 86400.0
_SECONDS = {
    **dict.fromkeys(("microsecond", "microsec", "us", "µs"), 1e-6),
    **dict.fromkeys(("millisecond", "millisec", "msec", "ms"), 1e-3),
    **dict.fromkeys(("second", "sec", "s"), 1.0),
    **dict.fromkeys(("minute", "min"), 60.0),
    **dict.fromkeys(("hour", "hr", "h"), 3600.0),
    **dict.fromkeys(("day", "d"), _DAY),
    **dict.fromkeys(("week", "wk"), 7 * _DAY),
    "common_year": 365 * _DAY,
}
_MONTHS = {**dict.fromkeys(("month", "mon"), 1), **dict.fromkeys(("year", "yr", "y", "a"), 12), "decade": 120}
_SINCE = re.compile(r"^\s*(\S+?)\s+(?:since|from|after)\s+(.+?)\s*$", re.IGNORECASE)
_WRITTEN = re.compile(
    r"|1|-|years?|yr|dates?|.*%Y.*|\s*(?:\S+ as )?y{4}.*", re.IGNORECASE
)  # units of such numbers
_DIGITS = re.compile(r"%Y(%m)?(%d)?(%H)?|\by{4}(m{2})?(d{2})?(h{2})?", re.IGNORECASE)
_FREQUENCIES = (
    ("month", re.compile(r"mon\w*|P?1M|monthly", re.IGNORECASE)),
    ("day", re.compile(r"day|P?1D|daily|24hr?", re.IGNORECASE)),
    ("year", re.compile(r"yr|year|P?1Y|yearly|annual", re.IGNORECASE)),
    ("minute", re.compile(r"\d*hr\w*|PT?\d+[HM]|hourly|sub\w*", re.IGNORECASE)),
)
# Writes the mean of a period with the time of its end.
_AT_THE_END = re.compile(
    r"\bCESM|\bCCSM|community (?:earth|climate) system model|^CAM\b|\.(?:cam\d?|clm\d?|cice|pop)\.h\d?\b|"
    r"end[ -]of[ -](?:the )?(?:period|interval|month|averaging)",
    re.IGNORECASE | re.MULTILINE,
)

# Said of the year 0, which some files count from.
warnings.filterwarnings("ignore", message="this date/calendar/year zero", module=r"engine\.time_axis")


@dataclass(frozen=True)
class TimeAxis:
    """The dates of an axis, as fine as its step asks: a monthly axis gives months, an hourly one times.

    Attributes:
        dates: None where a value is missing or means nothing.
        step: from one to the next, such as "3 hours", "day" or "month"; "" for fewer than two.
    """

    dates: tuple[When | None, ...]
    step: str = ""


def decode(
    values: ArrayLike,
    units: str = "",
    calendar: str = "",
    bounds: ArrayLike | None = None,
    cell_methods: str = "",
    frequency: str = "",
    provenance: str = "",
) -> TimeAxis:
    """Read a time axis.

    A step of 28 to 31 days means months, wherever in them the stamps lie; one of a year means years, and one
    of whole days means days. Shorter steps keep their times, UTC. Bounds decide where they are given: the
    period's middle says which month or day it is of, and its start is the time of a shorter step.

    Args:
        values: (N,) numbers, dates as text, `numpy.datetime64` or `cftime.datetime`; masked or NaN where
            there is none.
        units: "hours since 1900-01-01", "months since …", "day as %Y%m%d.%f", or "" for numbers such as
            200101 and for values that are dates.
        calendar: CF's name; "" is the standard one.
        bounds: (N, 2), in the same units: where each period begins and ends.
        cell_methods: of the variable; "time: point" is no period, "over years" a climatology.
        frequency: global attribute, for an axis of one value: "mon", "day", "P1M", "3hr".
        provenance: source, title, case and history of the file. Where it tells of a model that stamps means
            at the end of their period, and there are no bounds, the period before the stamp is meant.

    Returns:
        The dates; all None where units or calendar are unknown.
    """
    name = calendar_named(calendar)
    stamps = None if name is None else _seconds(values, units, name)
    if name is None or stamps is None or not np.isfinite(stamps).any():
        return TimeAxis((None,) * np.shape(np.ma.getdata(np.ma.asarray(values)))[0])
    if re.fullmatch(r"months?", units.strip(), re.IGNORECASE):
        return TimeAxis(
            tuple(d and When(None, d.month, calendar=name) for d in _labels(stamps, name, "month"))
        )
    point = re.search(r"\btime:\s*point\b", cell_methods) is not None
    edges = None if bounds is None or point else _edges(bounds, units, name, stamps)
    if edges is not None and _many_years(edges, cell_methods):
        dates = _labels(edges[:, 0], name, "month")
        return TimeAxis(tuple(d and When(None, d.month, calendar=name) for d in dates), "month")
    precision, step = _step(stamps, edges, name, frequency)
    if edges is not None:
        # The last second of a period's first half: the middle of 12:00 to 12:00 is the day it begins.
        at = edges[:, 0] if precision == "minute" else edges.mean(axis=1) - 1
        stamps = np.where(np.isfinite(at), at, stamps)
    elif not point and precision != "minute" and _AT_THE_END.search(f"{provenance}\n{cell_methods}"):
        stamps = stamps - 1 if _at_starts(stamps, name, precision) else stamps
    dates = _labels(stamps, name, precision)
    if all(d is None or d.year == 0 for d in dates):  # the year 0 is any year (COARDS)
        dates = [d and replace(d, year=None) for d in dates]
    return TimeAxis(tuple(dates), step)


def instant(when: When) -> float:
    """Return the first second that a date may mean, since 2000 in its calendar; in any year, in 2000."""
    year = 2000 if when.year is None else when.year
    return _instant(when.calendar, year, when.month or 1, when.day or 1, when.hour or 0, when.minute or 0)


def dates_of(instants: ArrayLike, calendar: str, precision: str) -> list[When | None]:
    """Return the dates of instants, as `instant` counts them, to a precision; None where one is NaN."""
    return _labels(np.asarray(instants, np.float64), calendar, precision)


def _seconds(values: ArrayLike, units: str, calendar: str) -> NDArray[np.float64] | None:
    """Return seconds since `_EPOCH`, NaN where there is no time; None where units mean no time."""
    held: Any = np.ma.asarray(values)
    hidden, flat = np.ma.getmaskarray(held), np.ma.getdata(held)
    if flat.dtype.kind == "M":
        there = ~np.isnat(flat) & ~hidden
        since = (flat - np.datetime64("2000-01-01")) / np.timedelta64(1, "s")
        return np.where(there, since, np.nan)
    if flat.dtype.kind in "OSU":
        return _of_dates([None if hide else value for value, hide in zip(flat, hidden)], calendar)
    numbers = np.where(hidden, np.nan, flat.astype(np.float64))
    numbers[~np.isfinite(numbers)] = np.nan
    if match := _SINCE.match(units):
        seconds = _since(numbers, match[1], match[2], calendar)
    elif re.fullmatch(r"months?", units.strip(), re.IGNORECASE):
        known = numbers[np.isfinite(numbers)]
        seconds = (
            None
            if np.any((known < 1) | (known >= 13))
            else _since(numbers - 1, "month", "2001-01-01", calendar)
        )
    else:
        seconds = _digits(numbers, units, calendar) if _WRITTEN.fullmatch(units.strip()) else None
    return seconds if seconds is None else np.where(np.abs(seconds) < _FARTHEST, seconds, np.nan)


def _of_dates(values: Sequence[Any], calendar: str) -> NDArray[np.float64]:
    """Return the seconds of values that are dates, or texts of them."""
    seconds = np.full(len(values), np.nan)
    for i, value in enumerate(values):
        when = value
        if isinstance(value, (str, bytes)):
            when = find(value.decode("utf-8", "replace") if isinstance(value, bytes) else value)
        if getattr(when, "year", None) is None:
            continue
        month, day = getattr(when, "month", None) or 1, getattr(when, "day", None) or 1
        time = [getattr(when, part, None) or 0 for part in ("hour", "minute", "second")]
        seconds[i] = _instant(calendar, when.year, month, day, *time)
    return seconds


def _instant(calendar: str, year: int, month: int, day: int, *time: int) -> float:
    """Return the seconds of a date; NaN where its calendar has no such day."""
    try:
        date = cftime.datetime(year, month, day, *time, calendar=calendar, has_year_zero=True)
        return float(cftime.date2num(date, _EPOCH, calendar=calendar, has_year_zero=True))
    except (ValueError, OverflowError):
        return math.nan


def _since(numbers: NDArray[np.float64], unit: str, start: str, calendar: str) -> NDArray[np.float64] | None:
    """Return the seconds of numbers counted from a date."""
    word = unit.lower()
    word = word if word in _SECONDS or word in _MONTHS else word.removesuffix("s")
    start, ahead = without_zone(start)  # cftime passes over those that are not written ±HH:MM
    if ahead is None:
        return None
    try:
        first = cftime.num2date(
            -60 * ahead,
            f"seconds since {start}",
            calendar,
            only_use_cftime_datetimes=True,
            has_year_zero=True,
        )
    except (ValueError, OverflowError):
        return None
    zero = _instant(calendar, first.year, first.month, first.day, first.hour, first.minute, first.second)
    if word in _SECONDS:
        return zero + numbers * _SECONDS[word]
    if word not in _MONTHS:
        return None
    length = days_in_month(first.year, first.month, calendar)
    begun = (first.day - 1 + (first.hour + first.minute / 60) / 24) / length
    months = numbers * _MONTHS[word] + first.year * 12 + first.month - 1 + begun
    seconds = np.full(numbers.shape, np.nan)
    for i in np.flatnonzero(np.isfinite(months)):
        whole = math.floor(months[i] + 1e-6)
        year, month = divmod(whole, 12)
        into = max(months[i] - whole, 0) * days_in_month(year, month + 1, calendar) * _DAY
        seconds[i] = _instant(calendar, year, month + 1, 1) + into
    return seconds


def _digits(numbers: NDArray[np.float64], units: str, calendar: str) -> NDArray[np.float64] | None:
    """Return the seconds of numbers that are written dates: 2001, 200101, 20010116.5 or 2001011606."""
    known = numbers[np.isfinite(numbers)]
    if not known.size or known.min() < 1:
        return None
    parts = _DIGITS.search(units)
    length = 4 + 2 * sum(p is not None for p in parts.groups()[:3] + parts.groups()[3:]) if parts else 0
    if not length:
        length = len(str(int(known.max())))
        early = 10 ** (length - 4) * 1500
        if length not in (4, 6, 8, 10) or known.min() < early or known.max() >= 10 ** (length - 4) * 2500:
            return None
    seconds = np.full(numbers.shape, np.nan)
    for i in np.flatnonzero(np.isfinite(numbers)):
        whole = math.floor(numbers[i])
        text, left = f"{whole:0{length}d}", numbers[i] - whole
        month, day, hour = (int(text[at : at + 2] or "1") for at in (4, 6, 8))
        hour = hour if length == 10 else 0
        seconds[i] = _instant(calendar, int(text[:4]), month, day, hour) if month <= 12 else math.nan
        length_of_last = {4: 365, 6: days_in_month(int(text[:4]), month, calendar), 8: 1}.get(length, 0)
        seconds[i] += left * length_of_last * _DAY
    return seconds if np.isfinite(seconds[np.isfinite(numbers)]).all() else None


def _edges(
    bounds: ArrayLike, units: str, calendar: str, stamps: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Return the starts and ends of periods, (N, 2); None where they are none, or grow from step to step."""
    held: Any = np.ma.asarray(bounds)
    if held.ndim != 2 or held.shape != (len(stamps), 2):
        return None
    pair = [_seconds(held[:, side], units, calendar) for side in (0, 1)]
    if pair[0] is None or pair[1] is None:
        return None
    edges = np.sort(np.stack([pair[0], pair[1]], axis=1), axis=1)
    lengths = edges[:, 1] - edges[:, 0]
    known = lengths[np.isfinite(lengths)]
    if not known.size or known.min() <= 0:
        return None
    starts = np.unique(edges[np.isfinite(lengths), 0])
    return None if known.size > 1 and starts.size == 1 else edges


def _many_years(edges: NDArray[np.float64], cell_methods: str) -> bool:
    """Return whether periods are those of a climatology: the same month of several years."""
    lengths = (edges[:, 1] - edges[:, 0]) / _DAY
    return "over years" in cell_methods and float(np.nanmedian(lengths)) > 366


def _step(
    stamps: NDArray[np.float64], edges: NDArray[np.float64] | None, calendar: str, frequency: str
) -> tuple[str, str]:
    """Return the precision of an axis' dates (minute, day, month or year), and its step in words."""
    at = edges.mean(axis=1) - 1 if edges is not None else np.round(stamps / 60) * 60
    order = np.unique(at[np.isfinite(at)])
    steps = np.diff(order) / _DAY
    period = None
    if edges is not None:
        lengths = (edges[:, 1] - edges[:, 0]) / _DAY
        period = _of_length(float(np.nanmin(lengths)), float(np.nanmax(lengths)))
    if not steps.size:
        return period or _said(frequency) or _alone(order[0]), ""
    dates = [d for d in _labels(order, calendar, "day") if d is not None]
    months = np.array([(d.year or 0) * 12 + (d.month or 1) - 1 for d in dates])
    apart = np.diff(months)
    if len(months) == len(order) and apart.min() > 0 and steps.min() > 27.5:
        if period == "year" or (period is None and (apart % 12 == 0).all() and _one_place(dates)):
            return "year", _counted(int(apart.min()) // 12, "year")
        if period == "month" or (period is None and _one_place(dates)):
            return "month", _counted(int(apart.min()), "month")
    usual = float(np.median(steps))
    exact = np.abs(steps - np.round(steps)) < 1e-3
    if period in ("day", "month", "year") or (period is None and exact.all()):
        return "day", _counted(max(round(usual), 1), "day")
    minutes = round(usual * 1440)
    return "minute", _counted(minutes // 60, "hour") if minutes % 60 == 0 else _counted(minutes, "minute")


def _of_length(shortest: float, longest: float) -> str | None:
    """Return what periods of some days are: a year, a month, a day or parts of one; None if none of these."""
    if shortest > 27.5 and longest < 31.5:
        return "month"
    if shortest > 359 and longest < 367:
        return "year"
    if shortest > 0.99:
        return "day" if longest < 27.5 else None
    return "minute"


def _said(frequency: str) -> str | None:
    """Return the precision that a frequency in words asks for."""
    return next((name for name, words in _FREQUENCIES if words.fullmatch(frequency.strip())), None)


def _alone(stamp: float) -> str:
    """Return the precision of one time about which nothing more is said: midnight and noon mean the day."""
    return "day" if stamp % (_DAY / 2) == 0 else "minute"


def _one_place(dates: Sequence[When]) -> bool:
    """Return whether days all lie at one place of their months: the same day, the middle, or the end."""
    days = [d.day or 1 for d in dates]
    ends = all((d.day or 1) >= d.days_in_month for d in dates)
    return len(set(days)) == 1 or ends or (min(days) >= 12 and max(days) <= 19)


def _counted(count: int, unit: str) -> str:
    return unit if count == 1 else f"{count} {unit}s"


def _at_starts(stamps: NDArray[np.float64], calendar: str, precision: str) -> bool:
    """Return whether all stamps are the first instants of a year, month or day."""
    known = stamps[np.isfinite(stamps)]
    days = [d for d in _labels(known, calendar, "day") if d is not None]
    first = {"year": lambda d: (d.month, d.day) == (1, 1), "month": lambda d: d.day == 1}
    return bool((known % _DAY == 0).all()) and all(map(first.get(precision, lambda d: True), days))


def _labels(stamps: NDArray[np.float64], calendar: str, precision: str) -> list[When | None]:
    """Return the date of each instant, to a precision; None where it is NaN."""
    rounded = np.round(stamps / 60) * 60 if precision == "minute" else np.floor(stamps + 0.5)
    there = np.isfinite(rounded)
    dates: list[When | None] = [None] * len(stamps)
    if not there.any():
        return dates
    try:
        read = cftime.num2date(
            rounded[there].astype(np.int64),
            _EPOCH,
            calendar,
            only_use_cftime_datetimes=True,
            has_year_zero=True,
        )
    except (ValueError, OverflowError):
        return dates
    for i, date in zip(np.flatnonzero(there), np.atleast_1d(read)):
        parts = (date.year, date.month, date.day, date.hour, date.minute)
        dates[i] = When(*parts, calendar=calendar).to(precision)
    return dates
