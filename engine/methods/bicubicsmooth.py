"""Bicubic interpolation, brought to the coarse means by a smooth correction before the exact one."""

from __future__ import annotations

from engine.methods.base_field import BaseField
from engine.methods.baseline_info import BaselineInfo
from engine.specs import TargetSpec


def build(info: BaselineInfo, factor: int, target: TargetSpec) -> BaseField:
    """Return the method for a factor and a target."""
    return BaseField(info, factor, target, ())
