"""Methods that make a fine field: those without learning by id, and the model in `model`.

A new baseline is a file with `INFO`, and one line in `BASELINES`.
"""

from __future__ import annotations

from engine.card import TargetSpec
from engine.errors import InputError
from engine.methods import bicubic, bilinear, climatologyratio, climatologyratioflat
from engine.methods.interface import BaselineInfo, Method

BASELINES: dict[str, BaselineInfo] = {
    "bilinear": bilinear.INFO,
    "bicubic": bicubic.INFO,
    "climatologyratioflat": climatologyratioflat.INFO,
    "climatologyratio": climatologyratio.INFO,
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


__all__ = ["BASELINES", "BaselineInfo", "Method", "baseline"]
