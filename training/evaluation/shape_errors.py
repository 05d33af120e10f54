"""Intervals for how two methods differ in the shape of their fields: distributions and spectra.

These are no means over cells, so what is kept by date and place is what they are computed from:
counts in bins, and power at wavenumbers, whose weighted totals give the distance of a bootstrap draw.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from training.evaluation.block_errors import Contrasts
from training.evaluation.bootstrap import contrasts, two_way_intervals
from training.metrics.distribution.histogram import BINS, histogram
from training.metrics.structure.field import Field, pair
from training.metrics.structure.spectral_distance import radial_spectrum

PLACES = 12  # about so many blocks: each holds two histograms at each date
MEASURES = ("js_distance", "ralsd")


class ShapeErrors:
    """Histograms by date and square block, and spectra by date, of a method's fields and the truth.

    Args:
        low, high: the histograms' outer edges, in the target's units.
        factor: k; blocks are of whole coarse cells.
    """

    def __init__(self, low: float, high: float, factor: int) -> None:
        self.low, self.high, self.factor = low, high, factor
        self.counts: dict[int, np.ndarray] = {}  # date → (B, 2, bins), of prediction and of truth
        self.power: dict[int, np.ndarray] = {}  # date → (2, K)

    def update(
        self,
        time: int,
        prediction: ArrayLike | Field,
        truth: ArrayLike | Field,
    ) -> None:
        """Take in the whole field of one date, (h·k, w·k), in the target's units, NaN where invalid.

        Args:
            time: a number that orders dates as they follow each other.
            prediction, truth: of the date.

        Raises:
            ValueError: the shapes differ, or the date is there already.
        """
        p, t = pair(prediction, truth)
        if time in self.counts:
            raise ValueError(f"date {time} was taken in before")
        if t.valid.any():
            self.power[time] = np.stack([radial_spectrum(p), radial_spectrum(t)])
        cells = math.prod(n / self.factor for n in t.shape)
        edge = self.factor * max(1, math.isqrt(int(cells / PLACES)))
        self.counts[time] = np.stack([self._by_block(field, edge) for field in (p, t)], 1)

    def merge(self, other: ShapeErrors) -> None:
        """Take in everything that `other` took in.

        Raises:
            ValueError: the other has other edges, or a date that is there already.
        """
        if (self.low, self.high, self.factor) != (other.low, other.high, other.factor):
            raise ValueError("shapes by different edges or blocks cannot be merged")
        if twice := self.counts.keys() & other.counts.keys():
            raise ValueError(f"date {min(twice)} was taken in before")
        self.counts.update(other.counts)
        self.power.update(other.power)

    def _by_block(self, field: Field, edge: int) -> np.ndarray:
        """Return counts in square blocks of so many cells along the edge, (B, bins)."""

        def make() -> np.ndarray:
            blocks = (
                np.s_[row : row + edge, column : column + edge]
                for row in range(0, field.shape[0], edge)
                for column in range(0, field.shape[1], edge)
            )
            valid = (field.values[block][field.valid[block]] for block in blocks)
            return np.array([histogram(v, self.low, self.high, BINS) for v in valid], dtype=np.int32)

        return field.once(("histograms", self.low, self.high, edge), make)

    def table(self, measure: str) -> tuple[list[int], np.ndarray]:
        """Return the dates, in order, and what they hold of prediction and truth, (T, B, 2, K)."""
        held = self.counts if measure == "js_distance" else self.power
        dates = sorted(held)
        rows = [held[date] if measure == "js_distance" else held[date][None] for date in dates]
        return dates, np.stack(rows).astype(np.float64) if rows else np.zeros((0, 0, 2, 0))


def shape_intervals(
    a: ShapeErrors,
    b: ShapeErrors,
    measure: str = "js_distance",
    samples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Contrasts:
    """Return a − b and a / b of two methods' distances from the truth, with bootstrap intervals.

    js_distance: Jensen–Shannon distance of pooled values, drawn by date and place; ralsd: radially
    averaged log spectral distance of the mean spectra in dB, drawn by date alone. Two methods are
    drawn alike (see `training.evaluation.bootstrap.two_way_intervals`).

    Raises:
        ValueError: another measure; no valid cell; or they were scored on different dates or truths.
    """
    if measure not in MEASURES:
        raise ValueError(f"there is no {measure} (known: {', '.join(MEASURES)})")
    (dates_a, of_a), (dates_b, of_b) = a.table(measure), b.table(measure)
    same = dates_a == dates_b and of_a.shape == of_b.shape
    if not same or not np.array_equal(of_a[:, :, 1], of_b[:, :, 1]):
        raise ValueError("the two methods were scored on different dates or truths: they are no pair")
    places = of_a[:, :, 1].any((0, 2))
    tables = [of_a[:, places, 0], of_b[:, places, 0], of_a[:, places, 1]]
    distance: Callable[[np.ndarray, np.ndarray], np.ndarray] = _js if measure == "js_distance" else _ralsd

    def compare(totals: Sequence[np.ndarray]) -> np.ndarray:
        first, second = (distance(total, totals[2]) for total in totals[:2])
        return contrasts(first, second)

    return Contrasts(*two_way_intervals(tables, compare, samples, level, seed))


def _js(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the distance of each row of counts, (S, K), base 2."""
    p, t = (_over(c, c.sum(1, keepdims=True)) for c in (prediction, truth))
    middle = (p + t) / 2
    terms = sum(q * np.log2(_over(q, middle), out=np.zeros_like(q), where=q > 0) for q in (p, t))
    return np.sqrt(np.maximum(terms.sum(1) / 2, 0))


def _ralsd(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the distance of each row of power, (S, K), in dB, over the rings in which the truth has any."""
    some = truth > 0
    with np.errstate(divide="ignore"):
        decibels = 10 * np.log10(_over(prediction, truth), out=np.zeros_like(truth), where=some)
    return np.sqrt(_over((decibels**2).sum(1), some.sum(1)))


def _over(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    below = np.broadcast_to(below, above.shape)
    return np.divide(above, below, out=np.zeros_like(above, dtype=np.float64), where=below > 0)
