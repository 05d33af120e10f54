"""Dates a half month, ten days, five days, eight or sixteen days apart: how long each one's own time is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.dates import When

_STARTS = ((1, 16), (1, 11, 21), (1, 6, 11, 16, 21, 26))  # half months, dekads, pentads
_EVERY = (16, 8)  # days, anew each year, as products of MODIS count them


@dataclass(frozen=True)
class Parts:
    """The days that each date stands for, and how many dates a whole month has; 0: not always the same."""

    days: dict[When, int] = field(default_factory=dict)
    in_month: int = 0


def parts_of(dates: Sequence[When | None]) -> Parts:
    """Return how long each date's own time is, where dates cut months or years as is usual; else nothing.

    Dates are at the start of their time (1, 11, 21), or all at its end (10, 20, and the month's last day).
    """
    known = {when for when in dates if when is not None}
    if len(known) < 2 or any(when.precision != "day" or when.year is None for when in known):
        return Parts()
    for starts in _STARTS:
        at_start = {when: _from(when, starts) for when in known}
        at_end = {when: _until(when, starts) for when in known}
        for days in (at_start, at_end):
            if all(days.values()) and len({when.day for when in known}) > 1:
                return Parts({when: n for when, n in days.items() if n}, len(starts))
    for every in _EVERY:
        if all((when.day_of_year - 1) % every == 0 for when in known if when.calendar != "360_day"):
            return Parts({w: min(every, int(w.days_in_year) - w.day_of_year + 1) for w in known})
    return Parts()


def _from(when: When, starts: Sequence[int]) -> int:
    """Return the days from a date to the next start; 0 where it is no start."""
    if when.day is None or when.day not in starts:
        return 0
    ends = [*(start - 1 for start in starts[1:]), int(when.days_in_month)]
    return ends[starts.index(when.day)] - when.day + 1


def _until(when: When, starts: Sequence[int]) -> int:
    """Return the days that end with a date; 0 where it is no end."""
    ends = [*(start - 1 for start in starts[1:]), int(when.days_in_month)]
    if when.day is None or when.day not in ends:
        return 0
    return when.day - starts[ends.index(when.day)] + 1
