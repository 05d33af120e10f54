"""Spans of dates, `2018-10..2019-06`, as a user writes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from engine.dates import When, parse
from engine.errors import InputError

MARK = ".."


@dataclass(frozen=True)
class DateSpan:
    """From one date to another one, both with all that they mean: a month is whole.

    Attributes:
        first, last: both with a year, or both months of any year, which may go round its end.
    """

    first: When
    last: When

    @classmethod
    def parse(cls, text: str) -> DateSpan:
        """Read FIRST..LAST.

        Raises:
            InputError: it is none.
        """
        parts = text.split(MARK)
        if len(parts) != 2 or not all(part.strip(" .") for part in parts):
            raise InputError(f"{text!r} is no span of dates: write it as 2018-10..2019-06.")
        first, last = (parse(part.strip(" .")) for part in parts)
        if (first.year is None) != (last.year is None):
            raise InputError(f"{text!r} is no span of dates: give both with a year, or both without.")
        if first.year is not None and _cut(first, last) > _cut(last, first):
            raise InputError(f"{text!r} is no span of dates: {first} is after {last}.")
        return cls(first, last)

    def __str__(self) -> str:
        return f"{self.first}{MARK}{self.last}"

    def among(self, dates: Iterable[When | None], label: str) -> list[When]:
        """Return the dates that lie in the span, in their order.

        Args:
            dates: of a raster's bands.
            label: how sentences call the raster.

        Raises:
            InputError: there is none.
        """
        known = [when for when in dates if when is not None]
        held = [when for when in known if self.holds(when)]
        if not held:
            has = f"it has {min(known)} to {max(known)}" if known else "its bands carry no dates"
            raise InputError(f"{label} has no date in {self} ({has}).")
        return held

    def holds(self, when: When) -> bool:
        """Return whether a date lies in the span, as finely as it and the ends are known."""
        if self.first.year is None:
            if when.month is None:
                return False
            first, last = self.first.month or 1, self.last.month or 12
            return first <= when.month <= last if first <= last else not last < when.month < first
        if when.year is None:
            return False
        return _cut(when, self.first) >= _cut(self.first, when) and _cut(when, self.last) <= _cut(
            self.last, when
        )


def is_span(text: str) -> bool:
    """Return whether a date is written as a span."""
    return MARK in text


def _cut(when: When, other: When) -> tuple[int, ...]:
    """Return the parts of a date that another one has as well."""
    parts = []
    for own, its in zip(when.parts, other.parts, strict=True):
        if own is None or its is None:
            break
        parts.append(own)
    return tuple(parts)
