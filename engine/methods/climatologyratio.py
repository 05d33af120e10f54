"""The climatology ratio with a seasonal climatology (for signed targets, the anomaly)."""

from __future__ import annotations

from engine.methods.baseline_info import BaselineInfo
from engine.methods.disaggregation import Disaggregation
from engine.specs import TargetSpec


def build(info: BaselineInfo, factor: int, target: TargetSpec) -> Disaggregation:
    """Return the method for a factor and a target."""
    return Disaggregation(info, True, factor, target)
