"""The climatology ratio with a seasonal climatology (for signed targets, the anomaly)."""

from __future__ import annotations

from engine.methods.disaggregation import Disaggregation
from engine.methods.interface import BaselineInfo
from engine.specs import TargetSpec

TITLE = "Climatology ratio, seasonal"


def build(factor: int, target: TargetSpec) -> Disaggregation:
    """Return the method for a factor and a target."""
    return Disaggregation("climatologyratio", TITLE, True, factor, target)


INFO = BaselineInfo(
    title=TITLE,
    help="The fine climatology of the season, times the interpolated ratio of the coarse field to it.",
    needs_climatology=True,
    needs_date=True,
    build=build,
)
