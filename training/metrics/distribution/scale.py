"""What metrics must know of the truth before they start: its range and high quantiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from training.metrics.distribution.histogram import percentile_range

LEAST_RANGE = 1e-3  # of a truth that is the same everywhere


@dataclass(frozen=True)
class TruthScale:
    """The truth's values in its own units: percentiles 0.1 and 99.9, extremes, and two thresholds."""

    low: float
    high: float
    least: float
    greatest: float
    high_threshold: float  # 95th percentile
    extreme_threshold: float  # 99th percentile


def truth_scale(truth: ArrayLike) -> TruthScale:
    """Return the scale of the finite values of `truth`, of any shape."""
    values = np.asarray(truth)
    values = values[np.isfinite(values)]
    least, greatest, wet, extreme = (float(n) for n in np.percentile(values, [0, 100, 95, 99]))
    return TruthScale(*apart(*percentile_range(values), least, greatest), least, greatest, wet, extreme)


def apart(low: float, high: float, least: float, greatest: float) -> tuple[float, float]:
    """Return two percentiles, wider where they are one: nearly all values are the same (dry), or all are."""
    if not high > low:
        low, high = least, greatest
    if not high > low:
        margin = max(abs(low), 1.0) * LEAST_RANGE
        low, high = low - margin, high + margin
    return low, high
