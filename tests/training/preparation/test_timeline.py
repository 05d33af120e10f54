"""Dates of rasters: from names, counted on, matched, missing; and the descriptions that are shipped."""

from __future__ import annotations

import pytest

from engine.dates import When, parse
from engine.errors import InputError
from engine.files.root import ROOT
from training.preparation.timeline import count_on, date_in_name, gaps, partners
from training.schema.dataset import BandDates, load_dataset
from training.schema.split import day_span, in_periods


def test_dates_in_names():
    assert str(date_in_name("MOD_A2001033_x.tif", "MOD_A{year}{doy}*", "t")) == "2001-02-02"
    assert str(date_in_name("tas_07.tif", "tas_{month}.tif", "t")) == "--07"
    with pytest.raises(InputError, match="does not fit"):
        date_in_name("rain.tif", "rain_{year}.tif", "t")
    with pytest.raises(InputError, match="holds no date"):
        date_in_name("rain_200113.tif", "rain_{year}{month}.tif", "t")


def test_dates_are_counted_on():
    def words(first, step, count):
        return [str(w) for w in count_on(BandDates(first=first, step=step), count)]

    assert words("2000-02-28", "day", 3) == ["2000-02-28", "2000-02-29", "2000-03-01"]
    assert words("2000-11", "month", 3) == ["2000-11", "2000-12", "2001-01"]
    assert words("--11", "month", 3) == ["--11", "--12", "--01"]
    assert words("1999", "year", 2) == ["1999", "2000"]


def test_missing_days_and_months_are_found():
    days = [When(2000, 2, d) for d in (26, 27, 29)] + [When(2000, 3, 2)]
    assert [str(w) for w in gaps(days)] == ["2000-02-28", "2000-03-01"]
    months = [When(2000, m) for m in (10, 11, 12)] + [When(2001, 2)]
    assert [str(w) for w in gaps(months)] == ["2001-01"]
    assert gaps([When(2000, 1, d) for d in (1, 9, 17, 25)]) == [], "every eighth day is no gap"


def test_a_series_serves_dates_that_are_finer_than_its_own():
    days = [parse("2001-01-31"), parse("2001-02-01"), parse("2002-02-01")]
    assert partners(days, [parse("2001-02"), parse("2001-01")], "s") == [1, 0, None]
    assert partners(days, [parse("--02"), parse("--03")], "s") == [None, 0, 0]
    assert partners([parse("--02")], [parse("--02")], "s") == [0]
    with pytest.raises(InputError, match=r"s has 2 rasters for 2001-01 \(the first is 2001-01-03\)"):
        partners([parse("2001-01")], [parse("2001-01-03"), parse("2001-01-04")], "s")


def test_the_shipped_descriptions_are_valid():
    folder = ROOT / "training" / "datasets"
    names = {load_dataset(path).name for path in folder.glob("*.yaml")}
    assert {"moselle", "valleyrain"} <= names


def test_hours_in_names_and_counted_on():
    assert str(date_in_name("r_20010511_0630.tif", "r_{year}{month}{day}_{hour}{minute}*", "t")) == (
        "2001-05-11T06:30"
    )
    assert str(date_in_name("r_20010230.tif", "r_{year}{month}{day}.tif", "t")) == "2001-02-30"
    for name in ("r_2001051124.tif", "r_2001023106.tif"):
        with pytest.raises(InputError, match="holds no date"):
            date_in_name(name, "r_{year}{month}{day}{hour}.tif", "t")
    hours = [str(w) for w in count_on(BandDates(first="2001-12-31T18:00", step="3 hours"), 3)]
    assert hours == ["2001-12-31T18:00", "2001-12-31T21:00", "2002-01-01T00:00"]
    assert [str(w) for w in count_on(BandDates(first="2001-01-01", step="8 days"), 2)][1] == "2001-01-09"
    assert [str(w) for w in count_on(BandDates(first="2001-11", step="3 months"), 2)][1] == "2002-02"


def test_missing_hours_and_days_of_other_calendars_are_found():
    hours = [When(2001, 1, 1, h, 0) for h in (0, 3, 6, 12, 15)]
    assert [str(w) for w in gaps(hours)] == ["2001-01-01T09:00"]
    bare = [When(2021, 6, 1, h) for h in (0, 1, 2, 4, 5)]
    assert [str(w) for w in gaps(bare)] == ["2021-06-01T03"], "as file names write them, without minutes"
    assert gaps(bare[:3]) == []
    winter = [When(2001, 2, d, calendar="360_day") for d in (27, 28, 30)] + [When(2001, 3, 1)]
    assert [str(w) for w in gaps(winter)] == ["2001-02-29"]


def test_a_time_of_day_in_yaml_is_a_date():
    import datetime as dt

    assert BandDates(first=dt.datetime(2001, 5, 1, 6), step="hour").first == "2001-05-01T06:00"
    for wrong in ("fortnight", "0 hours", "hourly"):
        with pytest.raises(ValueError, match="is no step"):
            BandDates(first="2001-05-01", step=wrong)
    with pytest.raises(ValueError, match="must be a day or a time"):
        BandDates(first="2001-05", step="hour")


def test_monthly_stamps_of_either_kind_are_partners():
    first, middle = [When(2001, m, 1) for m in (1, 2, 3)], [When(2001, m, d) for m, d in ((1, 16), (2, 15))]
    assert partners(first, middle, "s") == [0, 1, None]
    assert partners(first, [When(2001, 1, d) for d in (4, 20)], "s") == [None] * 3, "days are no stamps"


def test_periods_of_a_split_take_hours_and_days_of_any_calendar():
    assert in_periods("2001-01-31T23:00", (("2001-01", "2001-01"),))
    assert not in_periods("2001-02-01T00:00", (("2001-01", "2001-01"),))
    assert in_periods("2001-02-30", (("2001-02-01", "2001-02-28"),)) and day_span("2001-02-30") == (424, 424)
    assert in_periods("2001-02-30", (("2001-03-05", "2001-03-09"),), gap=5)
    assert not in_periods("2001-02-30", (("2001-03-05", "2001-03-09"),), gap=4)
