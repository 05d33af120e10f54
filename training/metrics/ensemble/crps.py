"""Continuous ranked probability score: the error of a whole ensemble, in the target's units."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from training.metrics.ensemble.ensemble import check_shapes, valid_members
from training.metrics.metric import EnsembleMetric
from training.metrics.shown import Shown


def crps_cells(members: ArrayLike, truth: ArrayLike, fair: bool = True) -> np.ndarray:
    """Return the score cell by cell, float64, NaN where the truth or a member is not finite.

    mean_i |x_i − y| − Σ_i Σ_j |x_i − x_j| / (2 M d), with d = M − 1 when fair and d = M otherwise.

    Args:
        members: (M, …), x.
        truth: (…), y.
        fair: score the distribution that the members are drawn from, not the members themselves.

    Raises:
        ValueError: the shapes do not fit, or fewer than two members are to be scored fairly.
    """
    x, y = np.asarray(members), np.asarray(truth, dtype=np.float64)
    check_shapes(x, y)
    count = x.shape[0]
    if fair and count < 2:
        raise ValueError("the fair score needs two members or more")
    x = np.sort(x.astype(np.float64), 0)  # NaN last, and inside every sum below
    # Of sorted members, Σ_i<j (x_j − x_i) = Σ_i (2 i − M + 1) x_i, i = 0 … M − 1: no pair is formed.
    weights = 2.0 * np.arange(count) - count + 1
    with np.errstate(invalid="ignore"):  # infinite cells
        pairs = np.tensordot(weights, x, 1) / (count * (count - 1 if fair else count))
        score = np.abs(x - y).mean(0) - pairs
    return np.where(np.isfinite(score), score, np.nan)


class ContinuousRankedProbabilityScore(EnsembleMetric):
    """Mean CRPS over valid cells, in the target's units; 0 is perfect.

    Fair (the default) it is an unbiased estimate of the score of an infinitely large ensemble, and may
    lie below zero in single cells; otherwise it is the score of the M members' own step distribution,
    which for one member is the mean absolute error.
    Ferro, C. A. T. (2014), Fair scores for ensemble forecasts; Gneiting, T. & Raftery,
    A. E. (2007), Strictly proper scoring rules, prediction, and estimation, equation 21.
    """

    SHOWN = Shown("CRPS", "{:.3f}", units="target")

    def __init__(self, fair: bool = True) -> None:
        self.fair = fair
        self.total = 0.0
        self.count = 0

    def update(self, members: ArrayLike, truth: ArrayLike) -> None:
        """Take in one tile, members (M, …) and truth (…)."""
        x, t = valid_members(members, truth)
        self.total += float(crps_cells(x, t, self.fair).sum())
        self.count += t.size

    def merge(self, other: ContinuousRankedProbabilityScore) -> None:
        """Take in everything that `other` took in.

        Raises:
            ValueError: one is fair and the other is not.
        """
        if self.fair != other.fair:
            raise ValueError("a fair score and one that is not cannot be merged")
        self.total += other.total
        self.count += other.count

    def compute(self) -> float:
        """Return the mean score, NaN without a valid cell."""
        return self.total / self.count if self.count else float("nan")
