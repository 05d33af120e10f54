"""Bicubic interpolation, brought to the coarse means by a smooth correction before the exact one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.card import TargetSpec
from engine.methods.interface import BaselineInfo

if TYPE_CHECKING:
    from engine.methods.standing import Standing

TITLE = "Bicubic, smoothly conserved"


def build(factor: int, target: TargetSpec) -> Standing:
    """Return the method for a factor and a target."""
    from engine.methods.standing import Standing  # which stands on methods of this package

    return Standing("bicubicsmooth", TITLE, (), factor, target)


INFO = BaselineInfo(
    title=TITLE,
    help="Bicubic interpolation whose departure from the coarse means is itself interpolated and taken off, "
    "so that conservation leaves no edges.",
    needs_climatology=False,
    needs_date=False,
    build=build,
    conserves=True,
)
