"""Bias."""

from __future__ import annotations

from training.metrics.pointwise.base import MeanOf
from training.metrics.shown import Shown


class Bias(MeanOf):
    """Mean of prediction − truth over valid cells, in the target's units."""

    SHOWN = Shown("bias", "{:+.3f}", units="target")
