"""Constructed analogues: the climatology's bands, mixed as the coarse field around each cell asks."""

from __future__ import annotations

from engine.methods.base_field import BaseField
from engine.methods.interface import CLIMATOLOGY, BaselineInfo
from engine.specs import SourceSpec, TargetSpec

TITLE = "Constructed analogues"


def build(factor: int, target: TargetSpec) -> BaseField:
    """Return the method for a factor and a target."""
    source = SourceSpec(CLIMATOLOGY, target.units, "fine", kind="climatology", optional=False)
    return BaseField("constructedanalogues", TITLE, (source,), factor, target)


INFO = BaselineInfo(
    title=TITLE,
    help="The mixture of the fine climatology's months that, around each coarse cell, best makes up the "
    "coarse field; conserved.",
    needs_climatology=True,
    needs_date=True,
    build=build,
    conserves=True,
)
