"""Dates that cut months or years into parts: how long each one's own time is."""

from __future__ import annotations

import pytest

from engine.dates import parse
from engine.parts_of_month import parts_of


@pytest.mark.parametrize(
    ("dates", "days", "in_month"),
    [
        ("2001-02-01 2001-02-11 2001-02-21", (10, 10, 8), 3),
        ("2004-02-11 2004-02-21 2004-03-01", (10, 9, 10), 3),
        ("2001-01-10 2001-01-20 2001-01-31 2001-02-28", (10, 10, 11, 8), 3),  # at their ends
        ("2001-02-01 2001-02-06 2001-02-26", (5, 5, 3), 6),
        ("2001-01-26 2001-02-21", (6, 5), 6),
        ("2001-02-01 2001-02-16 2001-03-16", (15, 13, 16), 2),
        ("2001-12-11 2001-12-19 2001-12-27", (8, 8, 5), 0),
        ("2004-12-26 2004-12-18", (6, 8), 0),
        ("2001-12-03 2001-12-19", (16, 13), 0),
        ("2001-02-01 2001-02-02 2001-02-03", (), 0),
        ("2001-02-01 2001-03-01", (), 0),
        ("2001-02 2001-03", (), 0),
        ("2001-02-01", (), 0),
    ],
)
def test_each_date_has_its_own_length(dates: str, days: tuple[int, ...], in_month: int) -> None:
    whens = [parse(text) for text in dates.split()]
    parts = parts_of(whens)
    assert tuple(parts.days[when] for when in whens if when in parts.days) == days
    assert parts.in_month == in_month
