"""Rank histogram: where among the members the truth lies."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from training.metrics.ensemble.ensemble import valid_members
from training.metrics.metric import EnsembleMetric
from training.metrics.shown import Shown


class RankHistogram(EnsembleMetric):
    """Counts of the truth's rank among M sorted members; flat when the truth could be one of them.

    A truth that equals some members (snow and rain are often zero) could take any of their ranks and
    is spread evenly over these: the expectation of a random choice, without its noise. Cells in which
    the truth and all members are one say nothing: `tied` is their share, and with `informative` the
    histogram is made of the others alone. That choice is not neutral, since a cell is left out for
    what happened in it: read both.
    `compute` returns the reliability index, Σ |share − 1 / (M + 1)|, 0 when flat, near 2 at worst.
    Hamill, T. M. (2001), Interpretation of rank histograms for verifying ensemble forecasts (ties);
    Delle Monache, L. et al. (2006), Probabilistic aspects of meteorological and ozone regional ensemble
    forecasts (index).
    """

    SHOWN = Shown("rank index", "{:.3f}")

    def __init__(self, informative: bool = False) -> None:
        self.informative = informative
        self.counts: np.ndarray | None = None  # (M + 1,) of all cells that are not one
        self.all_tied = 0

    def update(self, members: ArrayLike, truth: ArrayLike) -> None:
        """Take in one tile, members (M, …) and truth (…).

        Raises:
            ValueError: there are more or fewer members than before, or the shapes do not fit.
        """
        x, t = valid_members(members, truth)
        ranks = x.shape[0] + 1
        self._take_ranks(ranks)
        below, equal = (x < t).sum(0), (x == t).sum(0)
        tied = equal == ranks - 1
        self.all_tied += int(tied.sum())
        below, equal = below[~tied], equal[~tied]
        share = 1.0 / (equal + 1)
        # Each cell adds its share from rank `below` on, and takes it off after `below + equal`.
        steps = np.bincount(below, share, ranks + 1) - np.bincount(below + equal + 1, share, ranks + 1)
        self.counts += np.cumsum(steps)[:ranks]

    def _take_ranks(self, ranks: int) -> None:
        if self.counts is None:
            self.counts = np.zeros(ranks)
        elif self.counts.size != ranks:
            raise ValueError(f"histograms of {self.counts.size - 1} and {ranks - 1} members do not add up")

    def merge(self, other: RankHistogram) -> None:
        """Take in everything that `other` took in.

        Raises:
            ValueError: the other has another number of members, or counts other cells.
        """
        if self.informative != other.informative:
            raise ValueError("a histogram of all cells and one of informative cells cannot be merged")
        if other.counts is not None:
            self._take_ranks(other.counts.size)
            self.counts += other.counts
            self.all_tied += other.all_tied

    def shares(self) -> np.ndarray | None:
        """Return each rank's share of the cells, (M + 1,), lowest first; None without a cell."""
        if self.counts is None:
            return None
        counts = self.counts if self.informative else self.counts + self.all_tied / self.counts.size
        total = counts.sum()
        return counts / total if total > 0 else None

    @property
    def tied(self) -> float:
        """Share of the cells in which the truth and all members are one value."""
        total = 0.0 if self.counts is None else self.counts.sum() + self.all_tied
        return float(self.all_tied / total) if total else float("nan")

    def outliers(self) -> float:
        """Return how often the truth lies beyond all members, over the 2 / (M + 1) of a calibrated
        ensemble: above 1 the members lie too close together, below 1 too far apart.
        """
        shares = self.shares()
        return float("nan") if shares is None else float((shares[0] + shares[-1]) * shares.size / 2)

    def compute(self) -> float:
        """Return the reliability index, NaN without a cell."""
        shares = self.shares()
        return float("nan") if shares is None else float(np.abs(shares - 1 / shares.size).sum())
