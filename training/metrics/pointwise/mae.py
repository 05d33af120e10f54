"""Mean absolute error."""

from __future__ import annotations

import numpy as np

from training.metrics.pointwise.base import MeanOf
from training.metrics.shown import Shown


class MeanAbsoluteError(MeanOf):
    """Mean of |prediction − truth| over valid cells, in the target's units."""

    SHOWN = Shown("MAE", "{:.3f}", units="target")

    def of_error(self, error: np.ndarray) -> np.ndarray:
        """Return the absolute error."""
        return np.abs(error)
