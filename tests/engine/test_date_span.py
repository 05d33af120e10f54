"""Spans of dates: what they hold, as finely as dates and ends are known, and what is none."""

from __future__ import annotations

import pytest

from engine.date_span import DateSpan, is_span
from engine.dates import When
from engine.errors import InputError


@pytest.mark.parametrize(
    ("span", "inside", "outside"),
    [
        (
            "2018-10..2019-06",
            ["2018-10", "2018-10-01", "2019-06-30", "2019"],
            ["2018-09-30", "2019-07", "2020"],
        ),
        ("2018..2019", ["2018-01-01", "2019-12"], ["2017-12-31T23:00", "2020-01"]),
        ("2018-10-05 .. 2018-10-05", ["2018-10-05", "2018-10-05T18:00", "2018-10"], ["2018-10-06", "11"]),
        (
            "2018-10-05T06:00..2018-10-05T12:00",
            ["2018-10-05T06:00", "2018-10-05T12:00"],
            ["2018-10-05T13:00"],
        ),
        ("11..02", ["11", "2018-12-05", "2020-02"], ["2018-03", "10", "2018"]),
        ("03..05", ["03", "2018-05-31"], ["06", "2018-02-28"]),
    ],
)
def test_what_a_span_holds(span: str, inside: list[str], outside: list[str]) -> None:
    from engine.dates import parse

    made = DateSpan.parse(span)
    assert is_span(span) and not is_span("2018-10")
    assert [text for text in inside if not made.holds(parse(text))] == []
    assert [text for text in outside if made.holds(parse(text))] == []


@pytest.mark.parametrize("text", ["2018..", "..2018", "2019..2018", "2018-10..10", "1..2..3", "a..b"])
def test_what_is_no_span_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputError, match=r"is no span of dates|is no date"):
        DateSpan.parse(text)


def test_the_dates_of_a_raster_in_their_order_or_what_it_has() -> None:
    dates = [When(2018, 3), None, When(2018, 1), When(2017, 12)]
    assert DateSpan.parse("2018..2018").among(dates, "target") == [When(2018, 3), When(2018, 1)]
    with pytest.raises(InputError, match=r"target has no date in 2020..2021 \(it has 2017-12 to 2018-03\)"):
        DateSpan.parse("2020..2021").among(dates, "target")
    with pytest.raises(InputError, match="carry no dates"):
        DateSpan.parse("2020..2021").among([None], "target")
