"""How far the mean changes from the earlier years of a run to the later ones, coarse and fine.

A model that was trained in one climate can damp the change to another: what it makes of the coarse field's
own change shows it. A conserved field has the coarse field's change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.dates import When

_DATES = 2  # of each half of the years, at the least


@dataclass
class _Sums:
    """Over the cells and dates of one month in one half of the years."""

    coarse: float = 0.0
    fine: float = 0.0
    cells: int = 0

    def add(self, other: _Sums) -> None:
        self.coarse, self.fine = self.coarse + other.coarse, self.fine + other.fine
        self.cells += other.cells


class MeanChange:
    """Sums of coarse cells and of the means of their fine cells, by half of the years and by month.

    Months are compared with themselves, so that dates spread unevenly over the year make no change.

    Args:
        dates: of the run, in the order of its bands.

    Attributes:
        measured: whether the dates are of years enough.
    """

    def __init__(self, dates: Sequence[When | None]) -> None:
        years = sorted({w.year for w in dates if w is not None and w.year is not None})
        half = len(years) // 2
        self._spans = (years[:half], years[len(years) - half :])
        self._keys = [self._key(when) for when in dates]
        counts = [sum(key is not None and key[0] == part for key in self._keys) for part in (0, 1)]
        self.measured = half > 0 and min(counts) >= _DATES
        self._sums: dict[tuple[int, int], _Sums] = {}
        self._tile: dict[tuple[int, int], _Sums] = {}

    def add(self, date: int, coarse: Tensor, means: Tensor) -> None:
        """Take in a tile of a date by its number; it counts once `keep` is called.

        Args:
            date: its place among the dates.
            coarse: (h, w), as the method saw it.
            means: (h, w), of the fine cells of each coarse one.
        """
        self.add_sums(date, self.sums(coarse, means))

    @staticmethod
    def sums(coarse: Tensor, means: Tensor) -> tuple[float, float, int]:
        """Return the sums over the cells that both have, and how many these are; see `add`."""
        known = torch.isfinite(coarse) & torch.isfinite(means)
        ours, theirs = (float(values[known].sum(dtype=torch.float64)) for values in (coarse, means))
        return ours, theirs, int(known.sum())

    def add_sums(self, date: int, sums: tuple[float, float, int]) -> None:
        """Take in the sums of a tile of a date by its number, as `add` does its cells."""
        key = self._keys[date]
        if key is not None and self.measured:
            self._tile.setdefault(key, _Sums()).add(_Sums(*sums))

    def keep(self) -> None:
        """Count what was added: a tile is done at all dates."""
        for key, sums in self._tile.items():
            self._sums.setdefault(key, _Sums()).add(sums)
        self._tile = {}

    def forget(self) -> None:
        """Leave out what was added since the last tile: it is done again."""
        self._tile = {}

    def result(self) -> dict[str, Any] | None:
        """Return years and mean change, coarse and fine, None where there is none to tell."""
        months = {month for part, month in self._sums if part == 0 and self._sums[0, month].cells}
        shared = [m for m in months if (1, m) in self._sums and self._sums[1, m].cells]
        if not shared:
            return None
        changes = {}
        for name in ("coarse", "fine"):
            means = [
                [getattr(self._sums[part, m], name) / self._sums[part, m].cells for m in shared]
                for part in (0, 1)
            ]
            changes[name] = sum(means[1]) / len(shared) - sum(means[0]) / len(shared)
        earlier, later = ([span[0], span[-1]] for span in self._spans)
        return {"earlier": earlier, "later": later, **changes}

    def in_words(self, units: str) -> str:
        """Return the result as a sentence, "" where there is none."""
        told = self.result()
        if told is None:
            return ""
        unit = f" {units}".rstrip()
        earlier, later = (_span(told[name]) for name in ("earlier", "later"))
        return (
            f"Mean change from {earlier} to {later}, month by month: coarse {told['coarse']:+.4g}{unit}, "
            f"fine {told['fine']:+.4g}{unit}."
        )

    def _key(self, when: When | None) -> tuple[int, int] | None:
        if when is None or when.year is None:
            return None
        for part, years in enumerate(self._spans):
            if when.year in years:
                return part, when.month or 0
        return None


def _span(years: list[int]) -> str:
    first, last = years
    return str(first) if first == last else f"{first}–{last}"
