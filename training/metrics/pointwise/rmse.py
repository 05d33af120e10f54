"""Root mean square error."""

from __future__ import annotations

import math

import numpy as np

from training.metrics.pointwise.base import MeanOf
from training.metrics.shown import Shown


class RootMeanSquareError(MeanOf):
    """√ of the mean squared error over valid cells, in the target's units."""

    SHOWN = Shown("RMSE", "{:.3f}", units="target")

    def of_error(self, error: np.ndarray) -> np.ndarray:
        """Return the squared error."""
        return error**2

    def compute(self) -> float:
        """Return the root of the mean."""
        return math.sqrt(super().compute())
