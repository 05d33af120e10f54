"""What metrics must know of the truth before they start: its range and high quantiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from training.metrics.distribution.histogram import percentile_range


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
    numbers = [values.min(), values.max(), *np.percentile(values, [95, 99])]
    return TruthScale(*percentile_range(values), *(float(n) for n in numbers))
