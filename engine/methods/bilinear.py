"""Bilinear interpolation."""

from __future__ import annotations

from engine.methods.interface import BaselineInfo
from engine.methods.interpolation import Interpolation
from engine.specs import TargetSpec

TITLE = "Bilinear interpolation"


def build(factor: int, target: TargetSpec) -> Interpolation:
    """Return the method for a factor and a target."""
    return Interpolation("bilinear", TITLE, "bilinear", factor, target)


INFO = BaselineInfo(
    title=TITLE,
    help="Straight lines between the centres of coarse cells.",
    needs_climatology=False,
    needs_date=False,
    build=build,
)
