"""Intervals of the paired difference, or ratio, of two methods' errors, from sums by date and place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from training.evaluation.bootstrap import (
    Interval,
    block_length,
    contrasts,
    two_way_interval,
    two_way_intervals,
)

BLOCK = 8  # coarse cells along a block's edge, where that leaves enough blocks
ENOUGH = 24  # blocks
ROOTS = ("rmse", "spread")  # measures that are the root of a mean


class BlockErrors:
    """Sums of a method's errors by date and by square block of coarse cells.

    Of each date and block only numbers are kept: cells and the sums of squared, absolute and signed
    errors (measures rmse, mae and bias), and of whatever else is added.

    Args:
        factor: k, fine cells along a coarse cell's edge.
        block: coarse cells along a block's edge; by default 8, or fewer where the first field would
            not have two dozen blocks. Errors in neighbouring blocks count as unrelated.
    """

    def __init__(self, factor: int, block: int | None = None) -> None:
        self.factor, self.block = factor, block
        self.shape: tuple[int, int] | None = None  # of the fields
        self.sums: dict[str, dict[int, np.ndarray]] = {}  # measure → date → (2, B): sum and cells
        self._blocks: np.ndarray | None = None  # that each fine cell lies in

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is made again from the rest, for other processes."""
        return {**self.__dict__, "_blocks": None}

    def update(self, time: int, prediction: ArrayLike, truth: ArrayLike) -> None:
        """Take in a whole field of one date, (…, h·k, w·k), NaN where invalid.

        Args:
            time: a number that orders dates as they follow each other.
            prediction, truth: in the target's units.

        Raises:
            ValueError: the shapes differ, or are not those of the fields before.
        """
        p, t = np.asarray(prediction, dtype=np.float64), np.asarray(truth, dtype=np.float64)
        if p.shape != t.shape:
            raise ValueError(f"prediction {p.shape} and truth {t.shape} differ in shape")
        with np.errstate(invalid="ignore"):  # of infinite cells
            error = p - t
        self.add(time, "rmse", error**2)
        self.add(time, "mae", np.abs(error))
        self.add(time, "bias", error)

    def add(self, time: int, measure: str, values: ArrayLike) -> None:
        """Take in any measure that is a mean over cells, given cell by cell, (…, h·k, w·k).

        E.g. crps, from `training.metrics.crps_cells`; spread, from the members' variance with its factor
        (M + 1) / M, is the root of its mean, as rmse is.

        Raises:
            ValueError: the fields before had another shape.
        """
        v = np.asarray(values, dtype=np.float64)
        v = v.reshape(-1, *v.shape[-2:])
        places = self._places((v.shape[1], v.shape[2]))
        row = self.sums.setdefault(measure, {}).setdefault(time, np.zeros((2, places.max() + 1)))
        for field in v:
            valid = np.isfinite(field)
            row[0] += np.bincount(places[valid], field[valid], row.shape[1])
            row[1] += np.bincount(places[valid], minlength=row.shape[1])

    def _places(self, shape: tuple[int, int]) -> np.ndarray:
        """Return the block that each fine cell lies in, of the fields' shape."""
        if self.shape is None:
            self.shape = shape
            if self.block is None:
                cells = math.prod(shape) / self.factor**2
                self.block = int(np.clip(math.isqrt(int(cells / ENOUGH)), 1, BLOCK))
        elif self.shape != shape:
            raise ValueError(f"fields of {self.shape} and of {shape} have no common blocks")
        if self._blocks is None:
            edge = (self.block or BLOCK) * self.factor
            rows, columns = (np.arange(n) // edge for n in shape)
            self._blocks = rows[:, None] * (columns[-1] + 1) + columns
        return self._blocks

    def merge(self, other: BlockErrors) -> None:
        """Take in everything that `other` took in.

        Raises:
            ValueError: the other has other blocks.
        """
        if other.shape is None:
            return
        if self.shape is None:
            self.shape, self.block = other.shape, other.block if self.block is None else self.block
        if (self.shape, self.factor, self.block) != (other.shape, other.factor, other.block):
            raise ValueError("errors by different blocks cannot be merged")
        for measure, rows in other.sums.items():
            mine = self.sums.setdefault(measure, {})
            for time, row in rows.items():
                mine[time] = mine[time] + row if time in mine else row.copy()

    def table(self, measure: str) -> tuple[list[int], np.ndarray]:
        """Return the dates, in order, and their sums and cells, (2, T, B).

        Raises:
            ValueError: the measure was never taken.
        """
        if measure not in self.sums:
            raise ValueError(f"there is no {measure} (known: {', '.join(self.sums) or 'none'})")
        rows = self.sums[measure]
        return sorted(rows), np.stack([rows[time] for time in sorted(rows)], 1)


def independent(errors: BlockErrors) -> tuple[int, int]:
    """Return how many blocks of neighbouring dates, and how many places, a method's RMSE rests on."""
    _, (sums, cells) = errors.table("rmse")
    dates = cells.any(1)
    series = sums[dates].sum(1) / cells[dates].sum(1)
    count = int(dates.sum())
    return (count // block_length(series) if count else 0), int(cells.any(0).sum())


class Contrasts(NamedTuple):
    """How one method differs from another: a − b and a / b."""

    difference: Interval
    ratio: Interval


def paired_intervals(
    a: BlockErrors,
    b: BlockErrors,
    measure: str = "rmse",
    samples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    other: str | None = None,
    length: int | None = None,
) -> Contrasts:
    """Return a − b and a / b of two methods scored on the same cells, with bootstrap intervals.

    Both methods are drawn alike in each sample (see `training.evaluation.bootstrap.two_way_intervals`): what
    makes a date or a place hard for both does not widen the interval.

    Args:
        a, b: of the two methods.
        measure: rmse, mae, bias, or what was added.
        samples, level, seed: of the bootstrap.
        other: the measure of `b`, where it is another one, e.g. crps against mae.
        length: neighbouring dates drawn together; None chooses it from the data.

    Raises:
        ValueError: they were scored on different dates, blocks or cells, or lack the measure.
    """
    dates_a, of_a = a.table(measure)
    dates_b, of_b = b.table(other or measure)
    if dates_a != dates_b or of_a.shape != of_b.shape or not np.array_equal(of_a[1], of_b[1]):
        raise ValueError("the two methods were scored on different dates or cells: they are no pair")
    sums, cells = np.stack([of_a[0], of_b[0]]), of_a[1]
    dates, places = cells.any(1), cells.any(0)
    tables = [table[np.ix_(dates, places)] for table in (*sums, cells)]

    def compare(totals: Sequence[np.ndarray]) -> np.ndarray:
        first, second = (
            _mean(total, totals[2], name) for total, name in zip(totals[:2], (measure, other or measure))
        )
        return contrasts(first, second)

    return Contrasts(*two_way_intervals(tables, compare, samples, level, seed, length))


def paired_interval(
    a: BlockErrors,
    b: BlockErrors,
    measure: str = "rmse",
    statistic: Literal["difference", "ratio"] = "difference",
    samples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    other: str | None = None,
    length: int | None = None,
) -> Interval:
    """Return one of `paired_intervals`, difference or ratio."""
    both = paired_intervals(a, b, measure, samples, level, seed, other, length)
    return both.difference if statistic == "difference" else both.ratio


def interval(
    errors: BlockErrors,
    measure: str = "rmse",
    samples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    length: int | None = None,
) -> Interval:
    """Return one method's measure with its bootstrap interval; see `paired_interval`.

    Raises:
        ValueError: the measure was never taken.
    """
    _, (sums, cells) = errors.table(measure)
    kept = np.ix_(cells.any(1), cells.any(0))

    def mean(totals: Sequence[np.ndarray]) -> np.ndarray:
        return _mean(totals[0], totals[1], measure)

    return two_way_interval([sums[kept], cells[kept]], mean, samples, level, seed, length)


def _mean(total: np.ndarray, cells: np.ndarray, measure: str) -> np.ndarray:
    mean = np.divide(total, cells, out=np.full_like(total, np.nan), where=cells > 0)
    return np.sqrt(mean) if measure in ROOTS else mean
