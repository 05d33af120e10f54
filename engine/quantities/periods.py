"""The time that an amount of one band is summed over: the step from band to band, and its length."""

from __future__ import annotations

from collections.abc import Sequence

from engine.dates import When, days_in_month

DAY = 86400.0  # seconds
_YEAR = 365.25  # days, of a year that is not said


def month_seconds(when: When | None) -> float:
    """Return the length of a date's month; of any month, the mean one, where it names none."""
    return (when.days_in_month if when is not None and when.month else year_seconds(when) / DAY / 12) * DAY


def year_seconds(when: When | None) -> float:
    """Return the length of a date's year in its calendar; 365.25 days for no date."""
    return (_YEAR if when is None else when.days_in_year) * DAY


def step_of(dates: Sequence[When | None]) -> str:
    """Return the step from band to band in words, "day" or "6 hours"; "" where dates do not tell it.

    Dates that name no day need none: a month is the step of what is dated by the month.
    """
    known = sorted({when for when in dates if when is not None})
    if len(known) < 2 or any(when.day is None or when.year is None for when in known):
        return ""
    stamps = [_minutes(when) for when in known]
    least = min(two - one for one, two in zip(stamps, stamps[1:]))
    if all(when.hour is None for when in known):
        return "day" if least == 1440 else ""
    return f"{least // 60} hours" if least % 60 == 0 else f"{least} minutes"


def _minutes(when: When) -> int:
    """Return minutes since the year 0, good for differences within a month and over its end."""
    year, month = when.year or 0, when.month or 1
    before = sum(days_in_month(year, m, when.calendar) for m in range(1, month))
    days = int(year * when.days_in_year + before) + (when.day or 1)
    return days * 1440 + (when.hour or 0) * 60 + (when.minute or 0)
