"""Spread over skill: do the members differ by as much as their mean errs?"""

from __future__ import annotations

import math

from numpy.typing import ArrayLike

from training.metrics.ensemble.ensemble import valid_members
from training.metrics.metric import EnsembleMetric
from training.metrics.shown import Shown


class SpreadSkill(EnsembleMetric):
    """√((M + 1) / M · mean s²) / RMSE of the ensemble mean; 1 for a reliable ensemble, less if overconfident.

    s² is the members' variance over M − 1 in a cell. Averaged are variances, not deviations, and the
    factor accounts for the error of a mean of M members.
    Fortin, V. et al. (2014), Why should ensemble spread match the RMSE of the ensemble mean?
    """

    SHOWN = Shown("spread/skill", "{:.3f}", 1)

    def __init__(self) -> None:
        self.variance = 0.0  # summed over cells, with the factor
        self.squared_error = 0.0
        self.count = 0

    def update(self, members: ArrayLike, truth: ArrayLike) -> None:
        """Take in one tile, members (M, …) and truth (…).

        Raises:
            ValueError: there are fewer than two members, or the shapes do not fit.
        """
        x, t = valid_members(members, truth)
        count = x.shape[0]
        if count < 2:
            raise ValueError("the spread needs two members or more")
        self.variance += (count + 1) / count * float(x.var(0, ddof=1).sum())
        self.squared_error += float(((x.mean(0) - t) ** 2).sum())
        self.count += t.size

    def merge(self, other: SpreadSkill) -> None:
        """Take in everything that `other` took in."""
        self.variance += other.variance
        self.squared_error += other.squared_error
        self.count += other.count

    def spread(self) -> float:
        """Return the numerator, in the target's units, NaN without a valid cell."""
        return math.sqrt(self.variance / self.count) if self.count else float("nan")

    def skill(self) -> float:
        """Return the denominator, in the target's units, NaN without a valid cell."""
        return math.sqrt(self.squared_error / self.count) if self.count else float("nan")

    def compute(self) -> float:
        """Return the ratio; NaN without a valid cell or where both are zero, infinity without an error."""
        spread, skill = self.spread(), self.skill()
        if skill > 0:
            return spread / skill
        return float("inf") if spread > 0 else float("nan")
