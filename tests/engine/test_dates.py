"""Dates of bands, as people write them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.band_dates import of_bands
from engine.dates import When, cyclic_months, find, match, parse
from engine.errors import InputError


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("2001-11-05", When(2001, 11, 5)),
        ("t2m_20011105", When(2001, 11, 5)),
        ("rain 2001-11", When(2001, 11)),
        ("2001", When(2001)),
        ("--11", When(None, 11)),
        ("November", When(None, 11)),
        ("Band 1", None),
        ("2001-02-30", When(2001, 2, 30)),  # of a 360-day calendar
        ("2001-02-29", When(2001, 2, 29)),
        ("2001-02-31", None),
        ("2001-04-31", None),
        ("2024-11-26T06", When(2024, 11, 26, 6)),
        ("2024-11-26T06:00", When(2024, 11, 26, 6, 0)),
        ("2024-11-26 06:00Z", When(2024, 11, 26, 6, 0)),
        ("2024-11-26 06Z", When(2024, 11, 26, 6)),
        ("tp 2024-11-26T18:30:00.000Z", When(2024, 11, 26, 18, 30)),
        ("2024-11-26T01:30+02:00", When(2024, 11, 25, 23, 30)),
        ("wrfout_d01_2001-01-01_03:00:00", When(2001, 1, 1, 3, 0)),
        ("rain_20241126T0600", When(2024, 11, 26, 6, 0)),
        ("rain_2024112606", When(2024, 11, 26, 6)),
        ("rain_20241126_2002", When(2024, 11, 26)),  # may be no time
        ("--11T06", When(None, 11, None, 6)),
        ("", None),
    ],
)
def test_dates_in_texts(text: str, when: When | None) -> None:
    assert find(text) == when


@pytest.mark.parametrize("text", ["next tuesday", "2001-11-45", "2001-11-5", "foo 2001-11", "13", "November"])
def test_a_text_that_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no date"):
        parse(text)


def test_dates_are_read_as_they_are_written() -> None:
    assert parse("2001-11-05") == When(2001, 11, 5) and parse(" 2001-11 ") == When(2001, 11)
    assert parse("11") == parse("--11") == When(None, 11) and parse("2001") == When(2001)


def test_netcdf_time_axis_with_its_calendar() -> None:
    tags = [{"NETCDF_DIM_time": "0"}, {"NETCDF_DIM_time": "59"}]
    axis = {"time#units": "days since 2001-01-01", "time#calendar": "360_day"}
    assert of_bands(["a", "b"], tags, axis) == [When(2001, 1, 1), When(2001, 2, 30)]
    assert of_bands(["a"], [{"NETCDF_DIM_time": "31"}], {"time#units": "days since 2001-01-01"}) == [
        When(2001, 2, 1)
    ]


def test_match_finds_the_one_band_or_says_why_not() -> None:
    days = [When(2001, 1, 1), When(2001, 1, 2), When(2001, 2, 1)]
    assert match(days, When(2001, 2), "rain") == 2
    with pytest.raises(InputError, match="rain has no band for 2003-01"):
        match(days, When(2003, 1), "rain")
    with pytest.raises(InputError, match=r"2 dates in 2001-01, from 2001-01-01 to 2001-01-02: give one of"):
        match(days, When(2001, 1), "rain")
    assert match([When(None, m) for m in range(1, 13)], When(1999, 11, 3), "t") == 10
    for wanted, said in (
        (When(None, 3), "month 3"),
        (When(None, 3, 5), "03-05"),
        (When(None, 3, None, 6), "03T06"),
    ):
        with pytest.raises(InputError, match=f"rain has no band for {said} of any year"):
            match(days, wanted, "rain")


def test_distance_goes_round_the_year() -> None:
    assert cyclic_months(12, 1) == 1 and cyclic_months(3, 9) == 6
    assert When(2001, 1, 16).position == pytest.approx(1.0, abs=0.01)
    assert When(2001, 12, 31).position == pytest.approx(12.5, abs=0.02)
    assert When(None, 11).day_of_year == 319


def test_lengths_of_months_are_those_of_the_calendar() -> None:
    lengths = {"standard": 29, "noleap": 28, "all_leap": 29, "360_day": 30, "julian": 29}
    for calendar, days in lengths.items():
        assert When(2000, 2, calendar=calendar).days_in_month == days
    assert When(1900, 2).days_in_month == 28 and When(1900, 2, calendar="julian").days_in_month == 29
    assert When(None, 2).days_in_month == 28.25 and When(None, 2, calendar="noleap").days_in_month == 28
    years = {"standard": 366, "noleap": 365, "all_leap": 366, "360_day": 360}
    assert {c: When(2000, 5, calendar=c).days_in_year for c in years} == years


def test_places_in_the_year_are_those_of_the_calendar() -> None:
    winter = [When(2000, 2, day, calendar="360_day") for day in (1, 30)]
    assert [when.day_of_year for when in winter] == [32, 59]
    assert When(2000, 12, 30, calendar="360_day").day_of_year == 365
    assert When(2000, 3, 1).day_of_year == 61 and When(2000, 3, 1, calendar="noleap").day_of_year == 60
    assert winter[0].position == pytest.approx(1.5 + 0.5 / 30)
    assert When(2001, 1, 1, 0, 0).position == 0.5 and When(2001, 1, 16, 12).position == 1.0


def test_dates_are_in_order_whatever_their_precision() -> None:
    days = [When(2001), When(2001, 1), When(2001, 1, 1), When(2001, 1, 1, 0), When(2001, 1, 1, 0, 30)]
    assert sorted(reversed(days)) == days and When(None, 12) < days[0]
    assert [str(day) for day in days[2:]] == ["2001-01-01", "2001-01-01T00", "2001-01-01T00:30"]
    assert [day.precision for day in days] == ["year", "month", "day", "hour", "minute"]
    assert days[-1].to("day") == days[2] and days[-1].matches(days[0])


@pytest.mark.parametrize("text", ["2001-02-31", "2001-01-01T24", "2001-01-01T06:60", "2001-01T06", "2001 06"])
def test_no_such_time_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no date"):
        parse(text)


def test_times_are_written_as_they_are_read() -> None:
    for text in ("2024-11-26T06", "2024-11-26T06:30", "2001-02-30", "--11T06:00", "--11", "2001", "0001-05"):
        assert str(parse(text)) == text
    assert parse("2024-11-26 06") == parse("2024-11-26T06Z") == When(2024, 11, 26, 6)
    assert parse("2024-11-26 06:30:00 UTC") == When(2024, 11, 26, 6, 30)


def test_bands_of_one_date_are_told_apart() -> None:
    day = [When(2024, 11, 26)] * 2
    further = [{"expver": "1", "level": "2"}, {"expver": "5", "level": "2"}]
    with pytest.raises(InputError) as told:
        match(day, day[0], "target", further)
    assert "2 bands for 2024-11-26 (expver 1 and 5): choose one of them" in str(told.value)
    assert "#1 or #2" in str(told.value)


def test_tags_of_date_time_and_calendar() -> None:
    tags = [{"DATE": "2001-02-30", "CALENDAR": "360"}, {"DATE": "2001-01-01", "TIME": "06:30"}]
    dates = of_bands([None, None], tags, {})
    assert dates == [When(2001, 2, 30), When(2001, 1, 1, 6, 30)]
    assert dates[0] is not None and dates[0].calendar == "360_day"


def test_grib_bands_are_of_the_time_at_which_they_are_valid() -> None:
    times = [{"GRIB_VALID_TIME": f"{1732579200 + 3600 * hour} sec UTC"} for hour in (0, 0, 1)]
    assert of_bands(["2[m]"] * 3, times, {}) == [
        When(2024, 11, 26, 0, 0),
        When(2024, 11, 26, 0, 0),
        When(2024, 11, 26, 1, 0),
    ]


def test_days_between_dates_are_those_of_the_calendar() -> None:
    def days(text: str, calendar: str = "standard") -> float:
        return replace(parse(text), calendar=calendar).days

    for first, last, calendar, apart in (
        ("2001-01-01", "2001-01-02", "standard", 1),
        ("2001-12-31", "2002-01-01", "standard", 1),
        ("2000-02-28", "2000-03-01", "standard", 2),
        ("1900-02-28", "1900-03-01", "standard", 1),
        ("1999-12-31", "2001-01-01", "standard", 367),
        ("2000-02-28", "2000-03-01", "noleap", 1),
        ("2000-12-30", "2001-01-01", "360_day", 1),
        ("2001-01-01", "2001-01-01T18:00", "standard", 0.25),
        ("2001-01", "2001-02", "standard", 29.5),
    ):
        assert days(last, calendar) - days(first, calendar) == pytest.approx(apart), (first, last, calendar)
    with pytest.raises(InputError, match="no year and month"):
        days("--03")


def test_many_dates_are_matched_as_each_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    days = [When(2001 + n // 336, n // 28 % 12 + 1, n % 28 + 1) for n in range(600)]
    mixed = [
        *days,
        None,
        When(2005),
        When(2001, 3),
        When(None, 7),
        When(2001, 1, 2, 12),
        When(2001, 1, 2, 12, 30),
    ]
    wanted = [*mixed[::7], When(2001), When(None, 1), When(2002, 5), When(1999, 1, 1), When(2001, 1, 2)]
    for when in (w for w in wanted if w is not None):
        fitting = [i for i, own in enumerate(mixed) if own is not None and when.matches(own)]
        if len(fitting) == 1:
            assert match(mixed, when, "target") == fitting[0]
        else:
            with pytest.raises(InputError):
                match(mixed, when, "target")
    monkeypatch.setattr(When, "matches", lambda *_: pytest.fail("each is looked at"))
    assert [match(days, when, "target") for when in days] == list(range(600))


def test_a_list_that_has_grown_is_looked_at_anew() -> None:
    known = [When(2001, 1)]
    assert match(known, When(2001, 1), "target") == 0
    known.append(When(2001, 2))
    assert match(known, When(2001, 2), "target") == 1
