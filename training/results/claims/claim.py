"""A claim: a number, its interval, the bar it is held to, and whether it holds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from training.evaluation.bootstrap import Interval
from training.evaluation.comparison import Comparison


@dataclass(frozen=True)
class Bar:
    """What a number must lie within: at most `high`, at least `low`; `strict` excludes both ends."""

    low: float | None = None
    high: float | None = None
    strict: bool = False

    def holds(self, value: float) -> bool:
        """Return whether a value lies within; one that is not finite never does."""
        if not math.isfinite(value):
            return False
        above = self.low is None or (value > self.low if self.strict else value >= self.low)
        below = self.high is None or (value < self.high if self.strict else value <= self.high)
        return above and below

    def __str__(self) -> str:
        """In words short enough for a table."""
        sign = "" if self.strict else "="
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g}"
        return f">{sign} {self.low:g}" if self.low is not None else f"<{sign} {self.high:g}"


@dataclass(frozen=True)
class Claim:
    """A figure, or, with a bar, a claim. The interval is of 95 %, where there is one.

    `few` says what the interval rests on, where that is too little to rely on it.
    """

    claim: str
    value: float
    low: float = math.nan
    high: float = math.nan
    bar: Bar | None = None
    few: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether value and, where there is one, the whole interval keep the bar; None without a bar."""
        if self.bar is None:
            return None
        ends = (self.low, self.high) if self.has_interval else ()
        return all(map(self.bar.holds, (self.value, *ends)))

    @property
    def has_interval(self) -> bool:
        """Whether there is an interval."""
        return math.isfinite(self.low + self.high)

    @property
    def verdict(self) -> str:
        """Yes, no, or not surely: the value keeps the bar, its interval reaches beyond; "" without a bar."""
        if self.bar is None:
            return ""
        if self.holds:
            return "yes"
        return "not surely" if self.bar.holds(self.value) else "no"

    @property
    def interval_in_words(self) -> str:
        """The interval, and what is too little for it; "" where there is none."""
        if not self.has_interval:
            return ""
        return f"{self.low:.3g} to {self.high:.3g}" + (f" ({self.few})" if self.few else "")

    def to_json(self) -> dict[str, Any]:
        """Return plain data, by the names of what is told; null for what is not there."""
        numbers = {name: getattr(self, name) for name in ("value", "low", "high")}
        return {
            "claim": self.claim,
            **{name: number if math.isfinite(number) else None for name, number in numbers.items()},
            "few": self.few or None,
            "bar": None if self.bar is None else str(self.bar),
            "holds": self.holds,
            "verdict": self.verdict or None,
        }


def claimed(text: str, told: Interval | Comparison, bar: Bar | None = None) -> Claim:
    """Return a claim from an interval, or from the ratio of a comparison."""
    few = "" if isinstance(told, Interval) else told.few
    value, low, high = (float(number) for number in (told if isinstance(told, Interval) else told.ratio))
    return Claim(text, value, low, high, bar, few)


@dataclass
class ResultsSection:
    """What one part of the results says: a table, figures and claims, and what is missing, in lines."""

    title: str
    text: str = ""
    figures: list[Claim] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def lack(self, line: str) -> ResultsSection:
        """Say what is missing; returns itself."""
        self.missing.append(line)
        return self


def claims_table(claims: Iterable[Claim]) -> str:
    """Return claims as text, a row each."""
    rows = [["value", "95 % interval", "bar", "holds", "claim"]]
    for claim in claims:
        verdict = "NO" if claim.verdict == "no" else claim.verdict
        rows.append(
            [f"{claim.value:.4g}", claim.interval_in_words, str(claim.bar or ""), verdict, claim.claim]
        )
    return columns(rows)


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of text in columns, a rule below the first; the last column is not padded."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    widths[-1] = 0
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])
