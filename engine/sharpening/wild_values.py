"""Fields with values so far from all others that a fit sees little else: told, since nothing else shows.

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
LEAST = 120  # values, so that one of them is beyond the quantiles


def wild_values(fields: Mapping[str, Tensor]) -> list[str]:
    """Return a sentence on each field some of whose coarse values are far from all others.

    Args:
        fields: (D or 1, C, H, W) of the target and each covariate on coarse cells, NaN where unknown; those
            alone whose values are amounts, not classes or angles.
    """
    return [line for name, values in fields.items() for line in _of(name, values)]


def _of(name: str, values: Tensor) -> list[str]:
    for channel in values.unbind(1):
        # Zeros may be nearly all, as of rain: a storm is none.
        known = channel[torch.isfinite(channel) & (channel != 0)].double()
        if known.numel() < LEAST:
            continue
        sample = known[:: max(1, known.numel() // MOST)]
        low, middle, high = (float(torch.quantile(sample, q)) for q in (NEARLY_ALL[0], 0.5, NEARLY_ALL[1]))
        apart = (known - middle).abs()
        wild = int((apart > FARTHEST * (high - low)).sum()) if high > low else 0
        if wild:
            farthest = float(known[apart.argmax()])
            cells = "one coarse cell is" if wild == 1 else f"{wild} coarse cells are up to"
            return [
                f"{name}: {cells} {farthest:.3g}, where nearly all lie between {low:.3g} and {high:.3g}. "
                f"Nothing is learned beside such values: if they are wrong, mend them or declare them as "
                f"nodata."
            ]
    return []
