"""Correction of a coarse product's bias by factors of each coarse cell, fitted elsewhere.

The correction of a value is a factor that is added to it, or that it is multiplied by. Which one, tells the
part of the year, the cell and, of quantile methods, the value's quantile:

- mean, ratio: one factor for all values.
- quantile_mapping: the quantile of the value in the product's own distribution of the fit (Déqué 2007, Glob.
  Planet. Change 57, 16–26).
- quantile_delta_mapping: its quantile in the distribution of the run's own period, so that a change of the
  product's quantiles since the fit is kept (Cannon, Sobie & Murdock 2015, J. Climate 28, eqs. 1–6).

Between quantiles the factor is interpolated, beyond the first and the last it stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.dates import When
from engine.errors import InputError
from engine.specs import BiasSpec

QUANTILE_METHODS = ("quantile_mapping", "quantile_delta_mapping")
METHODS = ("mean", "ratio", *QUANTILE_METHODS)
FEWEST_DATES = 30  # of a part of the year, from which its own distribution is worth ranking in
GROUPS = ("all", "season", "month")
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def group_number(group: str, month: int) -> int:
    """Return the number of the part of the year that a month, 1..12, is in: month, season (1: DJF) or 0."""
    return {"month": month, "season": month % 12 // 3 + 1}.get(group, 0)


@dataclass(frozen=True, eq=False)
class BiasFactors:
    """Factors on h × w coarse cells, of G parts of the year and Q quantiles.

    Attributes:
        spec: method, kind and groups.
        quantiles: (Q,), rising, 0 to 1; one of the methods without quantiles.
        source: (G, Q, h, w), the product's quantiles in the fit, in the target's units.
        factors: (G, Q, h, w), NaN where there was no truth to fit.
    """

    spec: BiasSpec
    quantiles: NDArray[np.float32]
    source: NDArray[np.float32]
    factors: NDArray[np.float32]

    @property
    def fitted(self) -> NDArray[np.bool_]:
        """(h, w), where there are factors for every part of the year."""
        return np.asarray(np.isfinite(self.factors).all((0, 1)))

    def group_of(self, when: When | None) -> int:
        """Return the index of the part of the year that a date is in.

        Raises:
            InputError: nothing was fitted for that part, or the date does not tell which it is.
        """
        spec = self.spec
        if when is None or when.month is None:
            if len(spec.groups) == 1 and len(spec.months) == 12:
                return 0
            raise InputError(
                "target: the model corrects the coarse product by the time of year: give the date, "
                "YYYY-MM-DD, YYYY-MM or MM."
            )
        if when.month not in spec.months:
            fitted = ", ".join(_MONTHS[m - 1] for m in spec.months)
            raise InputError(
                f"target: the model's correction of the coarse product was fitted in {fitted} alone, and "
                f"{when} is in another month: choose dates in these months, or another model."
            )
        return spec.groups.index(group_number(spec.group, when.month))

    def apply(self, values: NDArray[np.float32], group: int) -> NDArray[np.float32]:
        """Correct a field, or several, by the distribution of the fit.

        Args:
            values: (..., h, w), in the target's units; NaN stays NaN.
            group: index of the part of the year.
        """
        if len(self.quantiles) == 1:
            return self._with(values, np.broadcast_to(self.factors[group, 0], values.shape))
        nodes, factors = self.source[group], self.factors[group]
        flat = values.reshape(-1, *values.shape[-2:])
        made = np.stack([_interpolated(field, nodes, factors) for field in flat])
        return self._with(values, made.reshape(values.shape))

    def apply_delta(self, stack: NDArray[np.float32], group: int) -> NDArray[np.float32]:
        """Correct the fields of a period by its own distribution (Cannon et al. 2015).

        Args:
            stack: (T, h, w), all fields of one part of the year.
            group: index of that part.
        """
        factors, ranks = self.factors[group], own_quantiles(stack)
        nodes = np.broadcast_to(self.quantiles[:, None, None], factors.shape)
        made = np.stack([_interpolated(field, nodes, factors) for field in ranks])
        return self._with(stack, made)

    def _with(self, values: NDArray[np.float32], factor: NDArray[np.floating]) -> NDArray[np.float32]:
        if self.spec.kind == "multiplicative":
            return (values * factor).astype(np.float32)
        return (values + factor).astype(np.float32)


def own_quantiles(stack: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the quantile, 0 to 1, of each value of (T, h, w) among those of its cell; NaN stays NaN.

    Equal values have the mean of their ranks, as in Cannon et al. 2015, appendix. The lowest value of a cell
    has 0 and the highest 1.
    """
    columns = stack.reshape(len(stack), -1).T
    made = np.full(columns.shape, np.nan)
    for quantiles, values in zip(made, columns, strict=True):
        known = np.isfinite(values)
        ordered = np.sort(values[known])
        if not ordered.size:
            continue
        first, after = (np.searchsorted(ordered, values[known], side) for side in ("left", "right"))
        ranks = first + after  # twice the mean rank, less one
        width = ranks.max() - ranks.min()
        quantiles[known] = (ranks - ranks.min()) / (width or 1)
    return made.T.reshape(stack.shape)


def _interpolated(
    at: NDArray[np.floating], nodes: NDArray[np.float32], factors: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return (h, w), the factors at values between nodes, (Q, h, w) each and rising; constant beyond."""
    above = (nodes <= at).sum(0)
    upper = above.clip(1, len(nodes) - 1)[None]
    x0, x1 = (np.take_along_axis(nodes, i, 0)[0].astype(np.float64) for i in (upper - 1, upper))
    y0, y1 = (np.take_along_axis(factors, i, 0)[0].astype(np.float64) for i in (upper - 1, upper))
    step = np.where(x1 > x0, x1 - x0, 1.0)
    share = np.clip((at - x0) / step, 0.0, 1.0)
    return y0 + share * (y1 - y0)
