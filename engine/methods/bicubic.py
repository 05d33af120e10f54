"""Bicubic interpolation, in logarithmic space where the target is not negative."""

from __future__ import annotations

from engine.methods.baseline_info import BaselineInfo
from engine.methods.interpolation import Interpolation
from engine.specs import TargetSpec


def build(info: BaselineInfo, factor: int, target: TargetSpec) -> Interpolation:
    """Return the method for a factor and a target."""
    return Interpolation(info, "bicubic", factor, target)
