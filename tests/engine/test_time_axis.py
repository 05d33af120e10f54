"""Time axes as files have them, in every calendar of the CF conventions."""

from __future__ import annotations

from typing import Any

import cftime
import numpy as np
import pytest

from engine.dates import When, find
from engine.time_axis import decode

HOURS = 1732579200 + 3600 * np.arange(6)  # 26 November 2024


@pytest.mark.parametrize(
    ("values", "units", "calendar", "said", "step"),
    [
        ([57.5, 58.5, 59.5, 60.5], "days since 2000-01-01", "360_day", "02-28 02-29 02-30 03-01", "day"),
        ([58, 59], "days since 2000-01-01", "noleap", "02-28 03-01", None),
        ([59], "days since 2001-01-01", "all_leap", "02-29", None),
        ([59], "days since 1900-01-01", "julian", "1900-02-29", None),
        ([59], "days since 1900-01-01", "gregorian", "1900-03-01", None),
        ([0, 1], "days since 1582-10-04", "standard", "1582-10-04 1582-10-15", None),
        ([0, 1], "days since 1582-10-04", "proleptic_gregorian", "1582-10-04 1582-10-05", None),
        (HOURS, "seconds since 1970-01-01", "proleptic_gregorian", "2024-11-26T00:00 …", "hour"),
        ([0, 3, 6], "hours since 2001-01-01T01:30:00Z", "", "2001-01-01T01:30 2001-01-01T04:30 …", "3 hours"),
        ([0, 30, 60], "minutes since 2001-01-01", "", "2001-01-01T00:00 2001-01-01T00:30 …", "30 minutes"),
        ([12, 36, 60], "hours since 2001-01-01", "", "2001-01-01 2001-01-02 …", "day"),
        ([0, 8, 16], "days since 2001-01-01", "", "2001-01-01 2001-01-09 …", "8 days"),
        ([15.5, 45, 74.5], "days since 2001-01-01", "", "2001-01 2001-02 2001-03", "month"),
        ([0, 31, 59], "days since 2001-01-01", "", "2001-01 2001-02 2001-03", "month"),
        ([30, 58, 89], "days since 2001-01-01", "", "2001-01 2001-02 2001-03", "month"),
        ([0, 31, 90], "days since 2001-01-01", "", "2001-01 2001-02 2001-04", "month"),  # March is missing
        ([0, 90, 181], "days since 2001-01-01", "", "2001-01 2001-04 2001-07", "3 months"),
        ([0, 30, 60, 90], "days since 2001-01-01", "", "2001-01-01 2001-01-31 …", "30 days"),
        ([181, 546], "days since 2001-01-01", "", "2001 2002", "year"),
        ([0, 1, 2], "years since 1990-01-01", "", "1990 1991 1992", "year"),
        ([1200.5, 1201.5], "months since 1900-01-01", "gregorian", "2000-01 2000-02", "month"),
        ([480.5, 481.5], "months since 1960-01-01", "360", "2000-01 2000-02", "month"),
        ([0, 1, 2], "months since 2000-01-01", "", "2000-01 2000-02 2000-03", "month"),
        ([0, 1, 2], "Months since 2000-11-15", "", "2000-11 2000-12 2001-01", "month"),
        ([20000116, 20000215], "day as %Y%m%d.%f", "gregorian", "2000-01 2000-02", "month"),
        ([20000116.5, 20000117.5], "day as %Y%m%d.%f", "", "2000-01-16 2000-01-17", "day"),
        ([20000116.0, 20000116.25], "day as %Y%m%d.%f", "", "2000-01-16T00:00 2000-01-16T06:00", "6 hours"),
        ([200011, 200012, 200101], "", "", "2000-11 2000-12 2001-01", "month"),
        ([200011, 200012], "YYYYMM", "", "2000-11 2000-12", "month"),
        ([20000228, 20000229], "", "", "2000-02-28 2000-02-29", "day"),
        ([1999, 2000], "year", "", "1999 2000", "year"),
        ([366, 1096.485, 1826.97], "hours since 0000-01-01", "", "--01 --02 --03", "month"),
        ([1, 2, 12], "month", "", "--01 --02 --12", None),
    ],
)
def test_units_and_calendars(values: Any, units: str, calendar: str, said: str, step: str | None) -> None:
    axis = decode(values, units, calendar)
    wanted = [w for w in said.split() if w != "…"]
    got = [str(when) for when in axis.dates][: len(wanted)]
    assert [g[-len(w) :] for g, w in zip(got, wanted, strict=True)] == wanted
    assert step is None or axis.step == step


@pytest.mark.parametrize(
    ("values", "units", "calendar"),
    [
        ([1, 2, 3], "level", ""),
        ([1000, 850, 500], "hPa", ""),
        ([1, 2], "days since yesterday", ""),
        ([1, 2], "days since 0000-00-00", ""),
        ([1, 2], "furlongs since 2000-01-01", ""),
        ([1, 2], "days since 2000-01-01", "mayan"),
        ([np.nan, np.nan], "days since 2000-01-01", ""),
        (np.ma.masked_all(2), "days since 2000-01-01", ""),
        ([1e300, -1e300], "days since 2000-01-01", ""),
        ([np.inf, -np.inf], "months since 2000-01-01", ""),
        (["soon", "later"], "", ""),
        ([], "days since 2000-01-01", ""),
    ],
)
def test_an_axis_that_means_no_times_has_no_dates(values: Any, units: str, calendar: str) -> None:
    axis = decode(values, units, calendar)
    assert axis.dates == (None,) * len(values) and axis.step == ""


def test_a_missing_time_is_no_date_and_the_others_are() -> None:
    axis = decode(np.ma.masked_greater([0.0, 1.0, 9e36], 1e30), "days since 2001-01-01")
    assert axis.dates == (When(2001, 1, 1), When(2001, 1, 2), None)
    assert decode([0, np.nan, 1], "months since 2001-01-01").dates == (When(2001, 1), None, When(2001, 2))


def test_bounds_say_which_month_a_stamp_at_its_end_is_of() -> None:
    units = "days since 2001-01-01 00:00:00"
    months = (When(2001, 1), When(2001, 2))
    assert decode([31, 59], units, "noleap", [[0, 31], [31, 59]]).dates == months
    assert decode([31], units, "noleap", [[0, 31]]).dates == months[:1]
    assert decode([31, 59], units, "noleap").dates == (When(2001, 2), When(2001, 3))
    assert decode([31, 59], units, "noleap", provenance="CAM").dates == months
    assert decode([31, 59], units, "noleap", provenance="ncks b40.cam.h0.2001-01.nc a.nc").dates == months
    assert decode([15.5, 45], units, "noleap", provenance="CESM2").dates == months


def test_bounds_say_which_day_year_and_hour_a_stamp_is_of() -> None:
    units = "days since 2001-01-01"
    assert decode([1, 2], units, "", [[0, 1], [1, 2]]).dates == (When(2001, 1, 1), When(2001, 1, 2))
    assert decode([1, 2], units, "", [[0.25, 1.25], [1.25, 2.25]]).dates[0] == When(2001, 1, 1)
    assert decode([365, 730], units, "", [[0, 365], [365, 730]]).dates == (When(2001), When(2002))
    hours = decode([1, 2], "hours since 2001-01-01", "", [[0, 1], [1, 2]])
    assert hours.dates == (When(2001, 1, 1, 0, 0), When(2001, 1, 1, 1, 0)) and hours.step == "hour"


def test_bounds_that_say_nothing_are_left_alone() -> None:
    units, days = "days since 2001-01-01", (When(2001, 1, 2), When(2001, 1, 3))
    for bounds in ([[1, 1], [2, 2]], [[0, 1], [0, 2]], [[np.nan, np.nan]] * 2, [[0, 1, 2]] * 2):
        assert decode([1, 2], units, "", bounds).dates == days, "empty, from the run's start, missing, odd"
    assert decode([1, 2], units, "", [[0, 1], [1, 2]], cell_methods="time: point").dates == days


def test_a_climatology_over_years_is_of_any_year() -> None:
    bounds = [[0, 29 * 365 + 38], [31, 29 * 365 + 66]]
    means = "time: mean within years time: mean over years"
    axis = decode([15, 45], "days since 1961-01-01", "", bounds, means)
    assert axis.dates == (When(None, 1), When(None, 2))


def test_one_time_alone_says_its_step_by_other_means() -> None:
    assert decode([15], "days since 2001-01-01", frequency="mon").dates == (When(2001, 1),)
    assert decode([0], "days since 2001-01-01", frequency="3hr").dates == (When(2001, 1, 1, 0, 0),)
    assert decode([0.5], "days since 2001-01-01").dates == (When(2001, 1, 1),)
    assert decode([0.25], "days since 2001-01-01").dates == (When(2001, 1, 1, 6, 0),)


def test_dates_and_texts_are_read_as_they_are() -> None:
    texts = np.array([b"2001-01-01_00:00:00", b"2001-01-01_03:00:00"])
    stamps = np.array(["2001-01-01T00", "2001-01-01T03"], "datetime64[ns]")
    wanted = (When(2001, 1, 1, 0, 0), When(2001, 1, 1, 3, 0))
    assert decode(texts).dates == decode(stamps).dates == wanted
    winter = [cftime.datetime(2001, 2, d, calendar="360_day") for d in (29, 30)]
    assert decode(winter, calendar="360_day").dates == (When(2001, 2, 29), When(2001, 2, 30))
    assert decode(stamps.astype("datetime64[D]")[:1]).dates == (When(2001, 1, 1),)


@pytest.mark.parametrize(
    "calendar", ["standard", "proleptic_gregorian", "noleap", "all_leap", "360_day", "julian"]
)
@pytest.mark.parametrize(
    "unit", ["seconds", "minutes", "hours", "days", "microseconds", "milliseconds", "weeks"]
)
def test_what_cftime_counts_is_read_back(calendar: str, unit: str) -> None:
    start, scale = "1903-07-19 05:00:00", {"weeks": ("days", 7.0)}.get(unit, (unit, 1.0))
    days = [
        cftime.datetime(year, month, day, 6 * (day % 4), calendar=calendar)
        for year in (1899, 1900, 2000, 2001)
        for month in (1, 2, 12)
        for day in (1, 14, 28)
    ]
    numbers = cftime.date2num(days, f"{scale[0]} since {start}", calendar=calendar) / scale[1]
    axis = decode(numbers, f"{unit} since {start}", calendar)
    assert axis.dates == tuple(When(d.year, d.month, d.day, d.hour, d.minute) for d in days)
    assert all(when is not None and when.calendar == calendar for when in axis.dates)


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("1992-10-8 15:15:42.5 -6:00", "1992-10-08T21:16"),  # the example of the CF conventions
        ("2001-01-01 00:00:00 -5", "2001-01-01T05:00"),
        ("2001-01-01 00:00:00 +5", "2000-12-31T19:00"),
        ("2001-1-1 0:0:0 -530", "2001-01-01T05:30"),
        ("2001-01-01 00:00 UTC+2", "2000-12-31T22:00"),
        ("2001-01-01T00:00:00+05:30", "2000-12-31T18:30"),
        ("2001-01-01 -6:00", "2001-01-01T06:00"),
        ("2001-01-01 00:00:0.0", "2001-01-01T00:00"),
        ("2001-01-01 00:00:00 GMT", "2001-01-01T00:00"),
        ("2001-01-01 UTC", "2001-01-01T00:00"),
        ("2001-01-01", "2001-01-01T00:00"),
        ("2001-01-01 00:00 EST", "None"),  # no offset is said
        ("2001-01-01 00:00 local time", "None"),
        ("2001-01-01 00:00 +25:00", "None"),
    ],
)
def test_zones_of_the_start_of_an_axis_count(start: str, said: str) -> None:
    assert str(decode([0, 1], f"hours since {start}").dates[0]) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2001-01-01T06:00+01", "2001-01-01T05:00"),
        ("2001-01-01 06:00:00 -0530", "2001-01-01T11:30"),
        ("2001-01-01 06:00 GMT", "2001-01-01T06:00"),
        ("2001-01-01 06:00 EST", "None"),
        ("2001-01-01 06:00 MESZ", "None"),
        ("2001-01-01 06:00 to 2001-01-01 12:00", "2001-01-01T06:00"),
        ("2001-01-01 06:00-2001-01-01 12:00", "2001-01-01T06:00"),
        ("2001-01-01 06:00 T2M", "2001-01-01T06:00"),
    ],
)
def test_zones_of_dates_in_names_count(text: str, said: str) -> None:
    assert str(find(text)) == said
