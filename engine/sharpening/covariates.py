"""Covariates on the way down: their averages on any grid between the coarse and the fine one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.fields.conservation import aggregate

# Of a class or an angle, the sum of squares about the mean that its coarse cells must have: that of a class
# in a quarter of one cell. With less the fine cells' step from 0 to 1 would multiply what is there by chance.
LEAST_SQUARES = 0.25


@dataclass(frozen=True)
class CovariateField:
    """One covariate on one grid.

    Attributes:
        values: (D or 1, C, H, W) of its channels, NaN where invalid.
        sloped: whether differences between neighbours mean something (not so of classes and angles).
    """

    values: Tensor
    sloped: bool = True

    def averaged(self, factor: int, area: Tensor | None = None) -> CovariateField:
        """Return it on a grid whose cells are `factor` times as large.

        Args:
            factor: of the edges.
            area: (B, H) relative area of each row's cells; None: they count the same.
        """
        if factor == 1:
            return self
        means = [aggregate(channel, factor, area) for channel in self.values.unbind(1)]
        return CovariateField(torch.stack(means, 1), self.sloped)


@dataclass(frozen=True)
class Standard:
    """The mean and the deviation of each channel over the coarse cells, by which terms are without units."""

    mean: Tensor  # (C,)
    deviation: Tensor  # (C,); infinite where a channel varies too little to learn from: it is left out

    @classmethod
    def of(cls, covariate: CovariateField) -> Standard:
        """Return it for a covariate on the coarse grid."""
        channels = covariate.values.movedim(1, 0).flatten(1).double()
        known = torch.isfinite(channels)
        count = known.sum(1).clamp_min(1)
        mean = torch.where(known, channels, 0.0).sum(1) / count
        squares = torch.where(known, channels - mean[:, None], 0.0).square().sum(1) / count
        deviation = squares.sqrt()
        flat = deviation <= 1e-6 * mean.abs().clamp_min(1e-30)
        if not covariate.sloped:
            flat |= squares * count < LEAST_SQUARES
        deviation = torch.where(flat, torch.inf, deviation)
        return cls(mean.float(), deviation.float())

    def applied(self, covariate: CovariateField) -> Tensor:
        """Return (D or 1, C, H, W) without units, NaN where invalid."""
        return (covariate.values - self.mean[:, None, None]) / self.deviation[:, None, None]


Covariates = Mapping[str, CovariateField]
