"""Bicubic interpolation, brought to the coarse means by a smooth correction before the exact one."""

from __future__ import annotations

from engine.methods.base_field import BaseField
from engine.methods.interface import BaselineInfo
from engine.specs import TargetSpec

TITLE = "Bicubic, smoothly conserved"


def build(factor: int, target: TargetSpec) -> BaseField:
    """Return the method for a factor and a target."""
    return BaseField("bicubicsmooth", TITLE, (), factor, target)


INFO = BaselineInfo(
    title=TITLE,
    help="Bicubic interpolation whose departure from the coarse means is itself interpolated and taken off, "
    "so that conservation leaves no edges.",
    needs_climatology=False,
    needs_date=False,
    build=build,
    conserves=True,
)
