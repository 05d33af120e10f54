"""Conversions between units, against factors written down here."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import units
from engine.errors import InputError

# Of each kind of quantity: unit → value in the first unit = number · factor + offset.
LENGTHS = {"m": 1.0, "km": 1000.0, "cm": 0.01, "mm": 0.001, "ft": 0.3048, "inch": 0.0254}
PRESSURES = {"Pa": 1.0, "hPa": 100.0, "kPa": 1000.0, "mbar": 100.0}
RATES = {"mm/day": 1.0, "mm/hour": 24.0, "cm/day": 10.0, "kg m-2 s-1": 86400.0, "m/day": 1000.0}
SPEEDS = {"m/s": 1.0, "km/h": 1 / 3.6, "m s-1": 1.0, "cm/s": 0.01}
SHARES = {"1": 1.0, "%": 0.01, "percent": 0.01}
TEMPERATURES = {"K": (1.0, 0.0), "degC": (1.0, 273.15), "degF": (5 / 9, 459.67 * 5 / 9)}
KINDS = [LENGTHS, PRESSURES, RATES, SPEEDS, SHARES]
VALUES = st.floats(-1e5, 1e5)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[str, str, float]:
    """Two units of one kind, and how many of the second are one of the first."""
    kind = draw(st.sampled_from(KINDS))
    one, other = draw(st.sampled_from([*kind])), draw(st.sampled_from([*kind]))
    return one, other, kind[one] / kind[other]


def converted(value: float, given_units: str, wanted: str) -> float:
    """Convert a number."""
    how = units.conversion(given_units, wanted, "source")
    return value * how.factor + how.offset


@given(pairs(), VALUES)
def test_numbers_are_converted_by_the_factors_of_their_units(
    pair: tuple[str, str, float], value: float
) -> None:
    one, other, factor = pair
    assert converted(value, one, other) == pytest.approx(value * factor, rel=1e-9, abs=1e-9)
    assert converted(converted(value, one, other), other, one) == pytest.approx(value, rel=1e-9, abs=1e-9)


@given(st.sampled_from([*TEMPERATURES]), st.sampled_from([*TEMPERATURES]), st.floats(-90, 400))
def test_temperatures_have_their_zeros(one: str, other: str, value: float) -> None:
    factor, offset = TEMPERATURES[one]
    back_factor, back_offset = TEMPERATURES[other]
    expected = (value * factor + offset - back_offset) / back_factor
    assert converted(value, one, other) == pytest.approx(expected, abs=1e-6)


@given(st.sampled_from(KINDS), st.sampled_from(KINDS), st.data())
def test_units_of_other_kinds_are_refused(one: dict, other: dict, data: st.DataObject) -> None:
    # Rain is a speed, too; and an amount may be told of the period that a rate is meant for.
    related = (RATES, SPEEDS, LENGTHS)
    if one is other or all(any(kind is each for each in related) for kind in (one, other)):
        return
    first, second = data.draw(st.sampled_from([*one])), data.draw(st.sampled_from([*other]))
    with pytest.raises(InputError, match=r"source.*\.$"):
        units.conversion(first, second, "source")


@given(st.text(max_size=12))
def test_no_text_breaks_the_reading_of_units(text: str) -> None:
    known = units.known(text)
    assert known in (True, False)
    if not text.strip():
        assert not known
