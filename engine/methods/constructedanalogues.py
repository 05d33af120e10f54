"""Constructed analogues: the climatology's bands, mixed as the coarse field around each cell asks."""

from __future__ import annotations

from engine.methods.base_field import BaseField
from engine.methods.baseline_info import BaselineInfo
from engine.methods.interface import CLIMATOLOGY
from engine.specs import SourceSpec, TargetSpec


def build(info: BaselineInfo, factor: int, target: TargetSpec) -> BaseField:
    """Return the method for a factor and a target."""
    source = SourceSpec(CLIMATOLOGY, target.units, "fine", kind="climatology", optional=False)
    return BaseField(info, factor, target, (source,))
