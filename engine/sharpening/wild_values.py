"""Covariates with values so far from all others that a fit sees little else: told, since nothing else shows.

A single wrong fine cell of 1e9 m moves the mean of its coarse cell by thousands of deviations; the relation
then bends to that one cell and gains nothing, as if the covariate told nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

FARTHEST = 100.0  # times the span of nearly all values, from their middle
NEARLY_ALL = 0.01, 0.99  # quantiles
MOST = 1_000_000  # values whose quantiles are taken
LEAST = 50  # values, for quantiles to mean something


def wild_values(covariates: Mapping[str, Tensor]) -> list[str]:
    """Return a sentence on each covariate some of whose coarse means are far from all others.

    Args:
        covariates: (D or 1, C, H, W) of each on coarse cells, NaN where unknown; those alone whose values are
            amounts, not classes or angles.
    """
    return [line for name, values in covariates.items() for line in _of(name, values)]


def _of(name: str, values: Tensor) -> list[str]:
    for channel in values.unbind(1):
        known = channel[torch.isfinite(channel)].double()
        if known.numel() < LEAST:
            continue
        sample = known[:: max(1, known.numel() // MOST)]
        low, middle, high = (float(torch.quantile(sample, q)) for q in (NEARLY_ALL[0], 0.5, NEARLY_ALL[1]))
        apart = (known - middle).abs()
        wild = int((apart > FARTHEST * (high - low)).sum()) if high > low else 0
        if wild:
            farthest = float(known[apart.argmax()])
            cells = "one coarse cell has" if wild == 1 else f"{wild} coarse cells have"
            return [
                f"{name}: {cells} a mean of up to {farthest:.3g}, where nearly all lie between {low:.3g} and "
                f"{high:.3g}. Such values hide what {name} tells of the rest: if they are wrong, mend them "
                f"or declare them as nodata."
            ]
    return []
