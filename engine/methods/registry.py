"""The simple methods by id.

A new baseline is a file with `INFO`, and one line in `BASELINES`.
"""

from __future__ import annotations

from engine.errors import InputError
from engine.methods import (
    bicubic,
    bicubicsmooth,
    bilinear,
    climatologyratio,
    climatologyratioflat,
    constructedanalogues,
    elevationregression,
    elevationregressionlocal,
    lapserate,
)
from engine.methods.interface import BaselineInfo, Method
from engine.specs import TargetSpec

BASELINES: dict[str, BaselineInfo] = {
    "bilinear": bilinear.INFO,
    "bicubic": bicubic.INFO,
    "bicubicsmooth": bicubicsmooth.INFO,
    "lapserate": lapserate.INFO,
    "elevationregressionlocal": elevationregressionlocal.INFO,
    "elevationregression": elevationregression.INFO,
    "climatologyratioflat": climatologyratioflat.INFO,
    "climatologyratio": climatologyratio.INFO,
    "constructedanalogues": constructedanalogues.INFO,
}


def baseline(id: str, factor: int, target: TargetSpec) -> Method:
    """Return a method without learning.

    Raises:
        InputError: no method has this id, or the factor is not from 2 to 100.
    """
    if id not in BASELINES:
        raise InputError(f"There is no method {id}: choose one of {', '.join(BASELINES)}.")
    if not 2 <= factor <= 100:
        raise InputError(f"The factor is {factor}; it must be a whole number from 2 to 100.")
    return BASELINES[id].build(factor, target)


def variants(id: str) -> list[tuple[str, str, float]]:
    """Return (name, title, conservation strength) of the ways in which a baseline is compared."""
    info = BASELINES[id]
    if info.conserves:
        return [(id, info.title, 1.0)]
    return [(id, info.title, 0.0), (f"{id}-conservative", f"{info.title}, conservative", 1.0)]


__all__ = ["BASELINES", "BaselineInfo", "Method", "baseline", "variants"]
