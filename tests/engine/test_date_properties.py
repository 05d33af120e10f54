"""Dates of every CF calendar: written, read, matched and decoded, against cftime and the standard library."""

from __future__ import annotations

import datetime as dt

import cftime
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.dates import When, days_in_month, find, parse
from engine.errors import InputError
from engine.time_axis import decode

CALENDARS = ("standard", "proleptic_gregorian", "noleap", "all_leap", "360_day", "julian")
DAYS = st.dates(dt.date(1700, 1, 1), dt.date(2399, 12, 31))
YEARS = st.integers(1850, 2099)
UNITS = st.sampled_from(("days", "hours", "minutes", "seconds"))


@st.composite
def days_of(draw: st.DrawFn) -> tuple[str, int, int, int]:
    """A calendar and a day that it has."""
    calendar = draw(st.sampled_from(CALENDARS))
    year, month = draw(st.integers(1700, 2399)), draw(st.integers(1, 12))
    following = (year, month + 1) if month < 12 else (year + 1, 1)
    units = "days since 1600-01-01"
    start, end = (cftime.datetime(*pair, 1, calendar=calendar) for pair in ((year, month), following))
    length = cftime.date2num(end, units, calendar) - cftime.date2num(start, units, calendar)
    return calendar, year, month, draw(st.integers(1, int(length)))


@given(DAYS)
def test_a_day_is_read_in_every_way_of_writing(day: dt.date) -> None:
    wanted = When(day.year, day.month, day.day)
    assert parse(day.isoformat()) == wanted and str(wanted) == day.isoformat()
    for text in (f"{day:%Y%m%d}", f"rain_{day:%Y%m%d}_v2", f"t2m {day:%Y-%m-%d}"):
        assert find(text) == wanted
    assert parse(f"{day:%Y-%m}") == When(day.year, day.month) and parse(f"{day:%Y}") == When(day.year)


@given(DAYS, DAYS)
def test_dates_match_as_their_texts_begin(one: dt.date, other: dt.date) -> None:
    """A year, a month and a day match where the longer text begins with the shorter."""
    for length in (4, 7, 10):
        short, long = parse(one.isoformat()[:length]), parse(other.isoformat())
        expected = other.isoformat().startswith(one.isoformat()[:length])
        assert short.matches(long) == long.matches(short) == expected


@given(st.integers(1700, 2399), st.integers(1, 12))
def test_months_have_the_calendars_days(year: int, month: int) -> None:
    following = (year, month + 1) if month < 12 else (year + 1, 1)
    units = "days since 1600-01-01"
    for calendar in CALENDARS:
        start, end = (cftime.datetime(*pair, 1, calendar=calendar) for pair in ((year, month), following))
        length = cftime.date2num(end, units, calendar) - cftime.date2num(start, units, calendar)
        assert days_in_month(year, month, calendar) == length


@given(st.text(max_size=20))
def test_what_is_no_date_is_refused_in_a_sentence(text: str) -> None:
    assume(not any(sign.isdigit() for sign in text))
    with pytest.raises(InputError, match=r"\.$"):
        parse(text)


@given(days_of(), UNITS, st.sampled_from(("1900-01-01", "1850-01-01 12:00:00", "1970-01-01T00:00:00Z")))
def test_a_time_axis_says_the_day_that_cftime_wrote(
    drawn: tuple[str, int, int, int], unit: str, epoch: str
) -> None:
    calendar, year, month, day = drawn
    assume(calendar != "standard" or year > 1582)  # days were left out then
    written = cftime.datetime(year, month, day, calendar=calendar)
    assume(calendar != "360_day" or day <= 30)
    units = f"{unit} since {epoch}"
    number = cftime.date2num(written, units, calendar)
    (found,) = decode(np.array([number], float), units, calendar).dates
    assert found is not None and (found.year, found.month, found.day) == (year, month, day)


@given(
    st.integers(1850, 2099), st.integers(1, 12), st.integers(2, 14), st.sampled_from(CALENDARS), st.booleans()
)
def test_monthly_axes_say_months(year: int, month: int, count: int, calendar: str, middle: bool) -> None:
    """Stamps in the middle or at the start of each month, in any calendar."""
    months = [(year + (month - 1 + n) // 12, (month - 1 + n) % 12 + 1) for n in range(count)]
    stamps = [cftime.datetime(y, m, 15 if middle else 1, calendar=calendar) for y, m in months]
    units = "days since 1800-01-01"
    found = decode(cftime.date2num(stamps, units, calendar), units, calendar).dates
    assert [(w.year, w.month) for w in found if w is not None] == months


@given(st.integers(1850, 2099), st.integers(1, 12), st.integers(2, 14), st.sampled_from(CALENDARS))
def test_bounds_decide_the_month_of_stamps_at_its_end(
    year: int, month: int, count: int, calendar: str
) -> None:
    months = [(year + (month - 1 + n) // 12, (month - 1 + n) % 12 + 1) for n in range(count + 1)]
    units = "days since 1800-01-01"
    edges = cftime.date2num([cftime.datetime(y, m, 1, calendar=calendar) for y, m in months], units, calendar)
    bounds = np.stack([edges[:-1], edges[1:]], axis=1)
    found = decode(edges[1:], units, calendar, bounds=bounds).dates
    assert [(w.year, w.month) for w in found if w is not None] == months[:-1]
