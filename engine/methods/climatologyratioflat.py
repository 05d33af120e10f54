"""The climatology ratio with the mean over the year (for signed targets, the anomaly)."""

from __future__ import annotations

from engine.methods.disaggregation import Disaggregation
from engine.methods.interface import BaselineInfo
from engine.specs import TargetSpec

TITLE = "Climatology ratio, flat"


def build(factor: int, target: TargetSpec) -> Disaggregation:
    """Return the method for a factor and a target."""
    return Disaggregation("climatologyratioflat", TITLE, False, factor, target)


INFO = BaselineInfo(
    title=TITLE,
    help="The fine climatology averaged over its bands, times the interpolated ratio of the coarse field.",
    needs_climatology=True,
    needs_date=False,
    build=build,
)
