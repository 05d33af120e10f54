"""Bias."""

from __future__ import annotations

from training.metrics.pointwise.base import MeanOf


class Bias(MeanOf):
    """Mean of prediction − truth over valid cells, in the target's units."""
