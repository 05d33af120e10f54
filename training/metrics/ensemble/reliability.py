"""Reliability of an event's probability, and the terms of its Brier score."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from training.metrics.ensemble.ensemble import valid_members
from training.metrics.metric import EnsembleMetric
from training.metrics.shown import Shown


class BrierTerms(NamedTuple):
    """Brier score = reliability − resolution + uncertainty."""

    score: float
    reliability: float
    resolution: float
    uncertainty: float


class Reliability(EnsembleMetric):
    """How often an event comes true when a given share of the members says so.

    The event is a value at or above `threshold`, in the target's units; its probability is the share
    of members in which it happens. `compute` returns the reliability term of the Brier score, the
    mean over cells of (probability − frequency at that probability)², 0 when reliable.
    Murphy, A. H. (1973), A new vector partition of the probability score. With M members there are
    M + 1 probabilities, so the partition is exact.
    """

    SHOWN = Shown("reliability", "{:.2e}")

    def __init__(self, threshold: float) -> None:
        self.threshold = float(threshold)
        self.cells: np.ndarray | None = None  # (M + 1,): with 0 … M members above
        self.events: np.ndarray | None = None  # (M + 1,): those in which it came true

    def update(self, members: ArrayLike, truth: ArrayLike) -> None:
        """Take in one tile, members (M, …) and truth (…).

        Raises:
            ValueError: there are more or fewer members than before, or the shapes do not fit.
        """
        x, t = valid_members(members, truth)
        size = x.shape[0] + 1
        said, happened = (x >= self.threshold).sum(0), t >= self.threshold
        self._add(np.bincount(said, minlength=size), np.bincount(said[happened], minlength=size))

    def _add(self, cells: np.ndarray, events: np.ndarray) -> None:
        if self.cells is None or self.events is None:
            self.cells, self.events = np.zeros_like(cells), np.zeros_like(events)
        if self.cells.size != cells.size:
            raise ValueError(f"shares of {self.cells.size - 1} and of {cells.size - 1} members do not mix")
        self.cells, self.events = self.cells + cells, self.events + events

    def merge(self, other: Reliability) -> None:
        """Take in everything that `other` took in.

        Raises:
            ValueError: the other has another threshold or number of members.
        """
        if self.threshold != other.threshold:
            raise ValueError("reliabilities of different thresholds cannot be merged")
        if other.cells is not None and other.events is not None:
            self._add(other.cells, other.events)

    def curve(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the probabilities, the frequencies of the event at each, NaN where never said, and
        the cells at each: (M + 1,) all, of size 0 before any update.
        """
        if self.cells is None or self.events is None:
            return np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.int64)
        frequency = np.full(self.cells.size, np.nan)
        np.divide(self.events, self.cells, out=frequency, where=self.cells > 0)
        return np.linspace(0, 1, self.cells.size), frequency, self.cells

    def brier(self) -> BrierTerms | None:
        """Return the Brier score and its terms; None without a valid cell."""
        probability, frequency, cells = self.curve()
        total = cells.sum()
        if not total:
            return None
        some = cells > 0
        share, p, f = cells[some] / total, probability[some], frequency[some]
        overall = float(share @ f)
        reliability = float(share @ (p - f) ** 2)
        resolution = float(share @ (f - overall) ** 2)
        uncertainty = overall * (1 - overall)
        return BrierTerms(reliability - resolution + uncertainty, reliability, resolution, uncertainty)

    def compute(self) -> float:
        """Return the reliability term, NaN without a valid cell."""
        terms = self.brier()
        return float("nan") if terms is None else terms.reliability
