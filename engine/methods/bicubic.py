"""Bicubic interpolation, in logarithmic space where the target is not negative."""

from __future__ import annotations

from engine.methods.interface import BaselineInfo
from engine.methods.interpolation import Interpolation
from engine.specs import TargetSpec

TITLE = "Bicubic interpolation"


def build(factor: int, target: TargetSpec) -> Interpolation:
    """Return the method for a factor and a target."""
    return Interpolation("bicubic", TITLE, "bicubic", factor, target)


INFO = BaselineInfo(
    title=TITLE,
    help="Smooth curves through the centres of coarse cells, in log(1 + x) where the target is not negative.",
    needs_climatology=False,
    needs_date=False,
    build=build,
)
