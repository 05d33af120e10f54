"""Bias."""

from __future__ import annotations

from engine.metrics.base import MeanOf


class Bias(MeanOf):
    """Mean of prediction − truth over valid cells, in the target's units."""
