"""Units as people write them, what they convert to, and what is asked or refused."""

from __future__ import annotations

import subprocess
import sys

import pytest

from engine import units
from engine.dates import When
from engine.errors import InputError
from tests.source_tree import ROOT

SPELLINGS = {
    "K": "K|kelvin|Kelvin|KELVIN|Kelvins|degrees K|deg K|degree_Kelvin|degK|[K]|°K",
    "degC": "[C]|C|c|deg C|deg. C|degree C|degrees_C|degrees Celsius|Celsius|celcius|Celsius degrees|°C|ºC|℃"
    "|° C|DEGC|DegC|Grad Celsius|degree_Celsius|centigrade",
    "degF": "F|°F|deg F|degrees Fahrenheit|fahrenheit",
    "mm/day": "mm per day|mm/d|mm d^-1|mm d-1|mm day**-1|mm day-1|mm.day-1|mm day⁻¹|mm·d⁻¹|MM/DAY|mm_per_day"
    "|mm / 24 hr|mm/24h|kg m-2 day-1|kg/m²/d|kg/(m^2 day)|mm w.e. per day|l/m2/day",
    "mm/month": "mm/mon|mm mon-1|mm month**-1|mm per month|[mm/month]|mm/mo|kg m-2 month-1|l m-2 month-1",
    "kg m-2 s-1": "kg.m-2.s-1|kg m**-2 s**-1|[kg/(m^2 s)]|[kg/(m^2*s)]|kg/m2/s|kg m^-2 s^-1|KG M-2 S-1"
    "|kg/m²/s|mm s-1|mm/s|kg m^{-2} s^{-1}",
    "mm": "millimeters|millimetre|MM|l/m2|l m-2|kg m-2|kg/m²|[kg/(m^2)]|mm H2O|mm w.e.|mmwe|mm SWE"
    "|mm of water|mm water equivalent|mm.|mm rain|litres/m2",
    "0.1 mm": "1/10 mm|tenths of mm|.1 mm|1e-1 mm|tenth mm",
    "0.01 inch": "hundredths of inch|0.01 in|1/100 inches",
    "1e-3 m": "mm|10^-3 m|10**-3 m|0.001 metre",
    "mm/6h": "mm per 6 hours|mm/6hr|mm / 6 h|mm/6hours",
    "kg m-2/8day": "kg/m^2/8day|mm/8d",
    "m": "metre|metres|meter|METERS|Meters|M|[m]|[gpm]|gpm|m asl|m a.s.l.|metres above sea level"
    "|m (NAVD88)|m MSL",
    "foot": "feet|ft|Feet|FT|international foot",
    "US survey foot": "ft-US|us-ft|US survey feet|foot_us|foot (US survey)|US foot|ftUS|U.S. survey foot",
    "hPa": "mb|mbar|millibar|MB|hpa|HPA|[hPa]|hectopascals|100 Pa",
    "Pa": "[Pa]|pa|PA|pascal|N m-2|kg m-1 s-2",
    "m s-1": "m/s|m s**-1|[m/s]|m.s-1|meters per second|M/S|m sec-1",
    "W m-2": "W/m2|W/m^2|W m**-2|[W/(m^2)]|W/m²|watts per m2|J m-2 s-1|W M-2",
    "1": "-|[-]|fraction|dimensionless|(0 - 1)|m3 m-3|m**3 m**-3|m³/m³|cm3/cm3|[fraction]|kg/kg|unitless",
    "%": "percent|[%]|pct|per cent|Percentage|0.01",
    "g/kg": "g kg-1|G/KG|g.kg-1|1e-3 kg/kg|[g/kg]",
    "degree": "degrees|deg|°|degrees_true|Degrees (true)",
    "radian": "radians|rad",
    "ug m-3": "µg/m³|μg m-3|ug/m^3",
    "km": "kilometres|KM|1000 m|km",
    "mm/year": "mm yr-1|mm/a|mm per annum|mm y-1",
}


@pytest.mark.parametrize(
    ("written", "plain"), [(w, plain) for plain, ways in SPELLINGS.items() for w in ways.split("|")]
)
def test_every_way_of_writing_a_unit_means_the_same(written: str, plain: str) -> None:
    got = units.plan(written, plain, "target").at(When(2001, 2))
    assert (got.factor, got.offset) == pytest.approx((1, 0), rel=1e-12, abs=1e-9)


@pytest.mark.parametrize(
    ("given", "wanted", "factor", "offset"),
    [
        ("K", "degC", 1, -273.15),
        ("0.01 K", "degC", 0.01, -273.15),
        ("0.1 degC", "K", 0.1, 273.15),
        ("degF", "degC", 5 / 9, -160 / 9),
        ("degC km-1", "K/m", 0.001, 0),
        ("kg m-2 s-1", "mm/day", 86400, 0),
        ("m", "mm", 1000, 0),
        ("inches", "mm", 25.4, 0),
        ("feet", "m", 0.3048, 0),
        ("US survey foot", "m", 1200 / 3937, 0),
        ("Pa", "hPa", 0.01, 0),
        ("1", "%", 100, 0),
        ("m3 m-3", "%", 100, 0),
        ("g/kg", "1", 0.001, 0),
        ("knots", "m/s", 1852 / 3600, 0),
        ("MJ m-2 d-1", "W m-2", 1e6 / 86400, 0),
        ("mm/6h", "mm/day", 4, 0),
        ("m of water equivalent per day", "mm/day", 1000, 0),
    ],
)
def test_units_are_converted(given: str, wanted: str, factor: float, offset: float) -> None:
    got = units.plan(given, wanted, "x").at()
    assert (got.factor, got.offset) == pytest.approx((factor, offset), rel=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        *("unreadable", "foo/day", "Mm", "mm/dekad", "code table (4.201)", "dBZ", "m EUR", "MG/m3"),
        *("mm*10", "°C * 10", "mm x 100", "mm mm x", "kg m-2 s-", "/", "(m", "m)", "m 2 s", "1 2 m"),
        *("mm//day", "1e999 m", "1,5 mm", "0 mm", "kg..m", "m^", "m**", "()", "mm per"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(text: str) -> None:
    assert not units.known(text)
    with pytest.raises(InputError) as failure:
        units.plan(text, "mm", "rain")
    assert (
        "rain" in str(failure.value) and text in str(failure.value) and "--units rain=" in str(failure.value)
    )


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("K", "m"),
        ("%", "degree"),  # pint takes both for numbers
        ("1", "radian"),
        ("g/kg", "%"),  # a humidity by mass and a relative one
        ("kg/kg", "m3 m-3"),
        ("Pa", "mm"),
        ("kg m-3", "m3 m-3"),
        ("m", "m/s"),
        ("m2 s-2", "m"),
        ("mm/day", "degC"),
    ],
)
def test_units_of_another_kind_are_refused_by_name(given: str, wanted: str) -> None:
    with pytest.raises(InputError, match="one cannot be converted into the other") as failure:
        units.plan(given, wanted, "source")
    assert f"source is in {given}, but {wanted} is wanted" in str(failure.value)


@pytest.mark.parametrize("text", ["", " ", "none", "unknown", "N/A", "Unspecified"])
def test_a_file_without_a_unit_is_told_apart_from_one_in_the_wanted(text: str) -> None:
    got = units.plan(text, "mm/day", "rain")
    assert got.assumed and got.identity and got.describe() == "says no unit, taken as mm/day"
    assert not units.plan("mm/day", "mm/day", "rain").assumed and not units.known(text)
    assert units.plan("W m-2", "", "x").describe() == "W m-2"


@pytest.mark.parametrize(
    ("given", "wanted", "when", "factor"),
    [
        ("kg m-2 s-1", "mm/month", When(2001, 2), 28 * 86400),
        ("kg m-2 s-1", "mm/month", When(2004, 2, 3), 29 * 86400),
        ("kg m-2 s-1", "mm/month", When(None, 2), 28.25 * 86400),
        ("kg m-2 s-1", "mm/month", When(1900, 2), 28 * 86400),
        ("kg m-2 s-1", "mm/month", When(2001, 2, calendar="360_day"), 30 * 86400),
        ("kg m-2 s-1", "mm/month", When(2004, 2, calendar="noleap"), 28 * 86400),
        ("kg m-2 s-1", "mm/month", None, 30.4375 * 86400),
        ("mm/day", "mm/month", When(None, 11), 30),
        ("mm/month", "mm/day", When(2004, 2), 1 / 29),
        ("mm/year", "mm/day", When(2004), 1 / 366),
        ("mm/year", "mm/month", When(2001, 1), 31 / 365),
        ("m/month", "mm/month", When(2001, 2), 1000),
    ],
)
def test_months_and_years_have_their_own_length(
    given: str, wanted: str, when: When | None, factor: float
) -> None:
    assert units.plan(given, wanted, "x").at(when).factor == pytest.approx(factor, rel=1e-12)


@pytest.mark.parametrize(
    ("given", "wanted", "when", "step", "factor"),
    [
        ("mm", "mm/month", When(2001, 2), "", 1),
        ("mm", "mm/day", When(2001, 2), "", 1 / 28),
        ("mm", "mm/day", When(2001, 2, 5), "", 1),
        ("mm", "mm/month", When(2001, 2, 5), "day", 28),
        ("mm", "mm/day", When(2001, 2, 5, 6), "3 hours", 8),
        ("mm", "mm/month", When(2001), "", 1 / 12),
        ("kg m-2", "mm/month", When(None, 11), "", 1),
        ("m of water equivalent", "mm/day", When(2019, 1, 15), "", 1000),
        ("J m-2", "W m-2", When(2001, 2, 5, 6), "hour", 1 / 3600),
    ],
)
def test_an_amount_is_the_sum_over_its_own_step(
    given: str, wanted: str, when: When, step: str, factor: float
) -> None:
    assert units.plan(given, wanted, "x", step=step).at(when).factor == pytest.approx(factor, rel=1e-12)


@pytest.mark.parametrize(
    ("when", "words"),
    [(None, "no date tells"), (When(2001, 2, 5), "the date 2001-02-05"), (When(2001, 2, 5, 6), "T06")],
)
def test_an_amount_of_an_unknown_step_is_asked_about(when: When | None, words: str) -> None:
    with pytest.raises(InputError, match="an amount, but mm/month, a rate, is wanted") as failure:
        units.plan("mm", "mm/month", "target").at(when)
    assert words in str(failure.value) and "--units target=" in str(failure.value)


def test_a_rate_is_no_amount() -> None:
    with pytest.raises(InputError, match="a rate, but mm, an amount, is wanted"):
        units.plan("mm/day", "mm", "target")


def test_means_of_amounts_are_by_the_day_where_the_file_says_so() -> None:
    july = When(2025, 7)
    daily = units.plan("m", "mm/month", "target", said={"GRIB_stepType": "avgad"})
    assert daily.at(july).factor == pytest.approx(31_000)
    hourly = units.plan("m", "mm/day", "x", said={"cell_methods": "time: mean (interval: 1 hour)"})
    assert hourly.at(july).factor == pytest.approx(24_000)
    summed = units.plan("mm", "mm/month", "x", said={"cell_methods": "area: mean time: sum"})
    assert summed.at(july).factor == 1
    with pytest.raises(InputError, match="which time's amount is averaged: state its unit, such as m/day"):
        units.plan("m", "mm/month", "target", said={"cell_methods": "time: mean"})
    with pytest.raises(InputError, match="which time's amount is averaged"):
        units.plan("m", "mm/day", "target", said={"GRIB_stepType": "avgua"}, step="hour")
    with pytest.raises(InputError, match="since the step before or since the forecast's start"):
        units.plan("m", "mm/day", "target", said={"GRIB_stepType": "accum"}, step="3 hours")


def test_depth_of_snow_and_its_water_are_told_apart() -> None:
    for given in ("m of water equivalent", "kg m-2", "mm w.e."):
        with pytest.raises(InputError, match="is a water equivalent"):
            units.plan(given, "m", "target", "snow_depth")
    with pytest.raises(InputError, match="is a water equivalent"):
        said = {"standard_name": "lwe_thickness_of_surface_snow_amount"}
        units.plan("m", "m", "target", "snow_depth", said)
    for wanted, quantity in (
        ("kg m-2", "snow"),
        ("mm w.e.", ""),
        ("mm", "swe"),
        ("m", "snow_water_equivalent"),
    ):
        with pytest.raises(InputError, match="is a depth of snow"):
            units.plan("m", wanted, "target", quantity, {"standard_name": "surface_snow_thickness"})
    assert units.plan("cm", "m", "target", "snow_depth", {"long_name": "Snow depth"}).at().factor == 0.01
    assert units.plan("m of water equivalent", "mm", "target", "swe").at().factor == 1000
    assert units.plan("m", "kg m-2", "target", "swe").at().factor == 1000
    with pytest.raises(InputError, match="is a water equivalent"):
        units.plan("kg m-2", "m", "elevation")


def test_geopotential_is_a_height_where_a_height_is_wanted() -> None:
    assert units.plan("m**2 s**-2", "m", "elevation").at().factor == pytest.approx(1 / 9.80665)


def test_temperatures_are_known_by_their_unit() -> None:
    assert all(units.is_temperature(text) for text in ("degC", "Kelvin", "[K]", "0.1 °C", "deg F"))
    assert not any(units.is_temperature(text) for text in ("mm", "", None, "K km-1", "unreadable"))


@pytest.mark.parametrize(
    "broken", ["raise ImportError('no wheel')", "raise TypeError('old Python')", "a = 1"]
)
def test_without_pint_nothing_is_read(broken: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("site")
    (folder / "pint").mkdir()
    (folder / "pint" / "__init__.py").write_text(broken)
    code = (
        "from engine import units\nfrom engine.errors import EngineError\n"
        "for call in (units.ready, lambda: units.plan('K', 'degC', 't'), lambda: units.known('K')):\n"
        "    try:\n        call()\n"
        "    except EngineError as error:\n        print(error.exit_status, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = [{str(folder)!r}, {str(ROOT)!r}]\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 3 and all(
        line.startswith("1 Units cannot be converted, because the Python package pint does not work")
        for line in lines
    )


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Percent (%)", "%"),
        ("% [percent]", "%"),
        ("Kelvin (K)", "K"),
        ("K [kelvin]", "K"),
        ("Celsius (°C)", "degC"),
        ("mm (kg m-2)", "mm"),
        ("kg m-2 (mm)", "mm"),
        ("mm = kg m-2", "mm"),
        ("mm/day (kg m-2 day-1)", "mm/day"),
        ("K\u200b", "K"),
        ("\ufeffmm/day", "mm/day"),
        ("oC", "degC"),
        ("C°", "degC"),
        ("deg-C", "degC"),
        ("Wm-2", "W m-2"),
        ("kgm-2s-1", "kg m-2 s-1"),
        ("mmday-1", "mm/day"),
        ("gm/kg", "g/kg"),
        ("masl", "m"),
    ],
)
def test_a_unit_said_twice_or_run_together_means_it_once(text: str, plain: str) -> None:
    assert units.conversion(text, plain, "x").at() == units.conversion(plain, plain, "x").at()


@pytest.mark.parametrize(
    "text",
    [
        *("fraction (%)", "1 (%)", "mm (cm)", "mm or cm", "mm/day (mm/month)", "K (°C)"),  # which of the two?
        *("%/100", "10000", "100", "10*mm", "1000 x K", "gr/kg", "Mbar", '"', "'", "′"),
    ],
)
def test_a_unit_that_may_mean_two_things_is_refused(text: str) -> None:
    assert not units.known(text)
    with pytest.raises(InputError, match="rain"):
        units.plan(text, "mm", "rain")


def test_a_total_since_the_start_is_no_amount_of_a_step() -> None:
    said = {"description": "ACCUMULATED TOTAL GRID SCALE PRECIPITATION"}
    with pytest.raises(InputError, match="take differences"):
        units.plan("mm", "mm/day", "target", said=said, step="day")
    daily = {"long_name": "daily accumulated precipitation"}
    assert units.plan("mm", "mm/day", "target", said=daily, step="day").at().factor == pytest.approx(1)
