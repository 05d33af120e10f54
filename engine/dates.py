"""Dates as they are written and matched: years, months, days and times of day, in any CF calendar."""

from __future__ import annotations

import calendar as gregorian
import datetime as dt
import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import total_ordering
from typing import Any

from engine.errors import InputError

STANDARD = "standard"
_CALENDARS = {  # as files write them → CF's first name
    **dict.fromkeys(("", "standard", "gregorian", "mixed"), STANDARD),
    **dict.fromkeys(("proleptic_gregorian", "proleptic"), "proleptic_gregorian"),
    **dict.fromkeys(("noleap", "no_leap", "365_day", "365_days", "365"), "noleap"),
    **dict.fromkeys(("all_leap", "allleap", "366_day", "366_days", "366"), "all_leap"),
    **dict.fromkeys(("360_day", "360_days", "360"), "360_day"),
    "julian": "julian",
}
_PARTS = ("year", "month", "day", "hour", "minute")
_MONTHS = {name.lower(): number for number, name in enumerate(gregorian.month_name) if name}
_MONTHS.update({name.lower(): number for number, name in enumerate(gregorian.month_abbr) if name})

_MD = r"(?P<month>0[1-9]|1[0-2])-?(?P<day>0[1-9]|[12]\d|3[01])"
_HOUR, _MINUTE = r"(?P<hour>[01]\d|2[0-3])", r"(?P<minute>[0-5]\d)"
# Seconds, and the zone: an offset, or a name that tells none.
_REST = (
    r"(?::?[0-5]\d(?:\.\d+)?)?\s*(?:Z|UTC|GMT|(?P<zone>[+-](?:0\d|1[0-4])(?::?[0-5]\d)?)(?!\d)"
    r"|(?P<unknown>(?:[ECMP][SD]?T|[CEW]ES?T|MES?Z|BST|[IJKM]ST|MSK|A[CEW][SD]?T|NZ[SD]?T|L[MS]?T|local)\b))?"
    r"(?!\d)"
)
# A time follows its day after a T, or after a blank or _ where a colon or Z shows that it is one.
_TIMES = (
    re.compile(rf"(?<!\d)(?P<year>\d{{4}})-?{_MD}[T_ ]{_HOUR}:{_MINUTE}{_REST}"),
    re.compile(rf"(?<!\d)(?P<year>\d{{4}})-?{_MD}T{_HOUR}{_MINUTE}{_REST}"),
    re.compile(rf"(?<!\d)(?P<year>\d{{4}})-?{_MD}(?:T{_HOUR}Z?|[ _]?(?P<hour2>[01]\d|2[0-3])Z)(?![\d:])"),
    re.compile(
        r"(?<!\d)(?P<year>(?:18|19|20|21)\d\d)(?P<month>0[1-9]|1[0-2])(?P<day>0[1-9]|[12]\d|3[01])"
        rf"{_HOUR}(?:{_MINUTE}(?:[0-5]\d)?)?(?!\d)"
    ),
)
_DAY = re.compile(rf"(?<!\d)(?P<year>\d{{4}})-?{_MD}(?!\d)")
_MONTH = re.compile(r"(?<!\d)(\d{4})[-_]?(0[1-9]|1[0-2])(?!\d)")
_YEAR = re.compile(r"^\s*(\d{4})\s*$")
_ANY_YEAR = re.compile(
    rf"^\s*(?:--|month[ _-]*|m)?(?P<month>0?[1-9]|1[0-2])(?:T{_HOUR}(?::{_MINUTE})?)?\s*$", re.IGNORECASE
)
# By a user; bands say it in more ways.
_WRITTEN = re.compile(
    r"\d{4}(-\d{2}(-\d{2}([T ]\d{2}(:\d{2}(:\d{2})?)?\s*(Z|UTC)?)?)?)?|(--)?\d{1,2}(T\d{2}(:\d{2})?)?"
)


@total_ordering
@dataclass(frozen=True)
class When:
    """A year, a month, a day or a time of day (UTC), as finely as it is known; None is not known.

    A month of any year has no year. Two dates are the same whatever their calendars: the calendar says
    how long months and years are.
    """

    year: int | None
    month: int | None = None
    day: int | None = None
    hour: int | None = None
    minute: int | None = None
    calendar: str = field(default=STANDARD, compare=False, repr=False)

    def __str__(self) -> str:
        year = f"{self.year:04d}" if self.year is not None else "-"
        day = "-".join([year] + [f"{n:02d}" for n in (self.month, self.day) if n is not None])
        time = ":".join(f"{n:02d}" for n in (self.hour, self.minute) if n is not None)
        return f"{day}T{time}" if time else day

    def __lt__(self, other: When) -> bool:
        return self._order() < other._order()

    def _order(self) -> tuple[int, ...]:
        """Sort what is not known first."""
        return tuple(-1 if n is None else n for n in self.parts)

    @property
    def parts(self) -> tuple[int | None, ...]:
        """Year, month, day, hour, minute."""
        return self.year, self.month, self.day, self.hour, self.minute

    @property
    def precision(self) -> str:
        """The finest part that is known: year, month, day, hour or minute."""
        known = [name for name, n in zip(_PARTS, self.parts, strict=True) if n is not None]
        return known[-1] if known else "year"

    def to(self, precision: str) -> When:
        """Return the date without what is finer than a year, month, day, hour or minute."""
        return replace(self, **dict.fromkeys(_PARTS[_PARTS.index(precision) + 1 :]))  # type: ignore[arg-type]  # None

    def matches(self, other: When) -> bool:
        """Return whether both may mean the same time, at the coarser precision of the two."""
        pairs = zip(self.parts, other.parts, strict=True)
        return all(a is None or b is None or a == b for a, b in pairs)

    @property
    def days_in_month(self) -> float:
        """Length of the month in its calendar, in days; of February in any year, the mean one."""
        if self.month is None:
            raise InputError(f"The date {self} names no month, but the length of one is needed.")
        return days_in_month(self.year, self.month, self.calendar)

    @property
    def days_in_year(self) -> float:
        """Length of the year in its calendar, in days; the mean one where the year is not known."""
        return sum(days_in_month(self.year, month, self.calendar) for month in range(1, 13))

    @property
    def position(self) -> float:
        """Months since the start of the year, so that the middle of month m is at m."""
        if self.month is None:
            raise InputError(f"The date {self} names no month, but the climatology needs one.")
        if self.day is None:
            return float(self.month)
        return self.month + min(self._day / self.days_in_month, 1.0) - 0.5

    @property
    def _day(self) -> float:
        """Days since the start of the month: the middle of a day whose time is not known."""
        if self.day is None:
            return self.days_in_month / 2
        return self.day - 1 + (0.5 if self.hour is None else (self.hour + (self.minute or 0) / 60) / 24)

    @property
    def days(self) -> float:
        """Days since the year 0 of its calendar, near enough to tell how far dates are apart.

        Raises:
            InputError: no year or no month is known.
        """
        if self.year is None or self.month is None:
            raise InputError(f"The date {self} names no year and month, but days between dates are needed.")
        before = sum(days_in_month(self.year, month, self.calendar) for month in range(1, self.month))
        if self.calendar in ("noleap", "all_leap", "360_day"):
            years = self.days_in_year * self.year
        else:
            years = 365 * self.year + (self.year - 1) // 4 - (self.year - 1) // 100 + (self.year - 1) // 400
        return years + before + self._day

    @property
    def day_of_year(self) -> int:
        """Day of the year, 1..366; the middle of the month when no day is known.

        A day of a 360-day calendar counts as the one at its place in the same month of 365 days.
        """
        if self.month is None:
            raise InputError(f"The date {self} names no month, but the season is needed.")
        day = self.day or 15
        if self.calendar == "360_day":
            before = sum(days_in_month(2001, month, "noleap") for month in range(1, self.month))
            return int(before + (day - 0.5) / 30 * days_in_month(2001, self.month, "noleap")) + 1
        year = 2001 if self.year is None else self.year
        return int(sum(days_in_month(year, month, self.calendar) for month in range(1, self.month))) + day


def calendar_named(name: str) -> str | None:
    """Return the CF calendar that a name means, or None."""
    return _CALENDARS.get(name.strip().lower())


def days_in_month(year: int | None, month: int, calendar: str = STANDARD) -> float:
    """Return the length of a month in days; 28.25 for February in any year of a calendar with leap years."""
    if calendar == "360_day":
        return 30
    if month != 2:
        return 30 if month in (4, 6, 9, 11) else 31
    if calendar in ("noleap", "all_leap"):
        return 28 if calendar == "noleap" else 29
    if year is None:
        return 28.25
    by_julian = calendar == "julian" or (calendar == STANDARD and year < 1582)
    return 29 if (year % 4 == 0 if by_julian else gregorian.isleap(year)) else 28


def parse(text: str) -> When:
    """Read a date as a user writes it: 2001-11-05T06:00, 2001-11-05, 2001-11, 2001, or 11 for any year.

    Raises:
        InputError: the text is no date.
    """
    words = text.strip()
    when = find(words.replace(" ", "T", 1)) if _WRITTEN.fullmatch(words) else None
    day, _, time = words.removeprefix("--").replace(" ", "T", 1).partition("T")
    said = day.count("-") + 1 + (min(time.count(":"), 1) + 1 if time else 0)
    if when is None or sum(n is not None for n in when.parts) != said:
        raise InputError(
            f"{text!r} is no date: write YYYY-MM-DD, YYYY-MM-DDTHH:MM (UTC), YYYY-MM, YYYY, or MM for any "
            f"year."
        )
    return when


def find(text: str | None) -> When | None:
    """Return the date in a band's name or tag, or None.

    30 February is a day of the 360-day calendar; other days that no calendar has are no dates.
    """
    if not text:
        return None
    for pattern in _TIMES:
        if match := pattern.search(text):
            given = match.groupdict()
            day = _day(given)
            hour, minute = given["hour"] or given.get("hour2"), given.get("minute")
            if day is None or hour is None or given.get("unknown"):
                return None
            when = When(
                day.year, day.month, day.day, int(hour), int(minute) if minute else None, day.calendar
            )
            return _in_utc(when, given.get("zone"))
    if match := _DAY.search(text):
        return _day(match.groupdict())
    if match := _MONTH.search(text):
        return When(int(match[1]), int(match[2]))
    if match := _ANY_YEAR.match(text):
        hour, minute = match["hour"], match["minute"]
        return When(
            None, int(match["month"]), None, int(hour) if hour else None, int(minute) if minute else None
        )
    if match := _YEAR.match(text):
        return When(int(match[1]))
    named = _MONTHS.get(text.strip().lower())
    return When(None, named) if named else None


def _day(given: Mapping[str, str]) -> When | None:
    """Return the day that digits mean, in the first calendar that has it."""
    year, month, day = int(given["year"]), int(given["month"]), int(given["day"])
    for calendar in (STANDARD, "all_leap", "360_day"):
        if day <= days_in_month(year, month, calendar):
            return When(year, month, day, calendar=calendar)
    return None


def _in_utc(when: When, zone: str | None) -> When:
    """Return a time, written in a zone such as +01:00, in UTC."""
    if zone is None or when.year is None or when.month is None or when.day is None or when.hour is None:
        return when
    minutes = int(zone[1:3]) * 60 + int(zone[3:].strip(":") or 0)
    if minutes == 0 or when.calendar != STANDARD or not 1 < when.year < 9999:
        return when
    there = dt.datetime(when.year, when.month, when.day, when.hour, when.minute or 0)
    here = there - dt.timedelta(minutes=minutes if zone[0] == "+" else -minutes)
    return When(here.year, here.month, here.day, here.hour, here.minute)


class _Index:
    """Finds which of many dates may mean the same time as another one, without a look at each."""

    def __init__(self, dates: Sequence[When | None]) -> None:
        self.dates, self.count = dates, len(dates)
        self._alike: dict[tuple[bool, ...], list[int]] = {}  # by which of their parts are known
        self._tables: dict[tuple[Any, Any], dict[tuple[int | None, ...], list[int]]] = {}
        for i, when in enumerate(dates):
            if when is not None:
                self._alike.setdefault(_known(when), []).append(i)

    def fitting(self, wanted: When) -> list[int]:
        """Return the indices of those that `When.matches`, in their order."""
        fit: list[int] = []
        for known in self._alike:
            both = [i for i, (a, b) in enumerate(zip(known, _known(wanted), strict=True)) if a and b]
            fit += self._table(known, tuple(both)).get(tuple(wanted.parts[i] for i in both), [])
        return sorted(fit)

    def _table(
        self, known: tuple[bool, ...], both: tuple[int, ...]
    ) -> dict[tuple[int | None, ...], list[int]]:
        if (known, both) not in self._tables:
            table: dict[tuple[int | None, ...], list[int]] = {}
            for i in self._alike[known]:
                if (when := self.dates[i]) is not None:
                    table.setdefault(tuple(when.parts[n] for n in both), []).append(i)
            self._tables[known, both] = table
        return self._tables[known, both]


_indices: deque[_Index] = deque(maxlen=32)  # of the lists that were asked last, which are held here


def _index_of(dates: Sequence[When | None]) -> _Index:
    for index in tuple(_indices):
        if index.dates is dates and index.count == len(dates):
            return index
    _indices.append(index := _Index(dates))
    return index


def _known(when: When) -> tuple[bool, ...]:
    return tuple(part is not None for part in when.parts)


def match(
    dates: Sequence[When | None],
    wanted: When,
    label: str,
    further: Sequence[Mapping[str, str]] | None = None,
) -> int:
    """Return the index of the one band for a date.

    Args:
        dates: of the bands.
        wanted: the date.
        label: how sentences call the raster.
        further: what else tells each band from others of its date, such as {"expver": "5"}.

    Raises:
        InputError: no band or several bands fit; the sentence names the raster and the date.
    """
    fitting = _index_of(dates).fitting(wanted)
    if len(fitting) == 1:
        return fitting[0]
    known = sorted(when for when in dates if when is not None)
    if not fitting:
        span = f"it has {known[0]} to {known[-1]}" if known else "its bands carry no dates"
        raise InputError(f"{label} has no band for {_said(wanted)} ({span}).")
    times = sorted({str(dates[i]) for i in fitting})
    if len(times) > 1:
        raise InputError(f"{label} has {several(times, wanted)}.")
    bands = [f"#{i + 1}" for i in fitting]
    raise InputError(
        f"{label} has {len(fitting)} bands for {_said(wanted)}{_told_apart(fitting, further)}: choose one of "
        f"them (RASTER#BAND, here {_listed(bands, 'or ')})."
    )


def several(times: Sequence[str], wanted: When) -> str:
    """Say that a date has several steps, which, and what to do; `times` are sorted."""
    part = wanted.precision
    steps = f"{len(times)} steps on" if part == "day" else f"{len(times)} dates in"
    more = f", or aggregate them (--aggregate {part}:mean or {part}:sum, AGGREGATE)"
    return (
        f"{steps} {_said(wanted)}, from {times[0]} to {times[-1]}: give one of them"
        f"{more if part in ('day', 'month') else ''}"
    )


def _said(wanted: When) -> str:
    """Return a date as a sentence has it: "--11", which reads like an option, is month 11 of any year."""
    if wanted.year is not None:
        return str(wanted)
    alone = wanted.day is None and wanted.hour is None
    return f"{f'month {wanted.month}' if alone else str(wanted)[2:]} of any year"


def _told_apart(fitting: Sequence[int], further: Sequence[Mapping[str, str]] | None) -> str:
    """Say by what bands of one date differ, e.g. " (expver 1 and 5)"."""
    if further is None:
        return ""
    words = []
    for name in dict.fromkeys(name for i in fitting for name in further[i]):
        values = list(dict.fromkeys(further[i].get(name, "none") for i in fitting))
        if len(values) > 1:
            words.append(f"{name} {_listed(values, 'and ')}")
    return f" ({'; '.join(words)})" if words else ""


def _listed(words: Sequence[str], last: str, most: int = 6) -> str:
    """Return words with commas, the last one after `last`; of many, the first few and the last one."""
    shown = list(words) if len(words) <= most else [*words[: most - 2], "…", words[-1]]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} {last}{shown[-1]}"


def cyclic(a: float, b: float, length: float) -> float:
    """Return the distance of two positions on a circle."""
    distance = abs(a - b) % length
    return min(distance, length - distance)


def cyclic_months(a: float, b: float) -> float:
    """Return the distance of two positions in the year, in months, round its end."""
    return cyclic(a, b, 12)
