"""Scales that nobody states (8500 for an NDVI of 0.85), and those that were applied and are stated still."""

from __future__ import annotations

import numpy as np

from engine.errors import InputError
from engine.pipeline.inspection.early_look import sampled_values
from engine.raster.packing import SCALE_DOUBT
from engine.raster.reader import Raster

_CELLS = 2**18  # that are looked at
_SCALES = (10, 100, 1000, 10_000)
_FAR = 20.0  # times the range seen in training: beyond, no field of the quantity lies
_LOST = 0.01  # of the largest value seen in training: smaller than that, all values are next to nothing
_ROOM = 0.5  # of the range, that values may lie beyond it once scaled


def unstated_scale(raster: Raster, span: tuple[float, float]) -> float | None:
    """Return the scale that brings whole numbers into the range seen in training.

    Args:
        raster: open, of whole numbers that nobody states a scale for.
        span: the range seen in training, in the wanted units.

    Returns:
        The one scale that does, or None where the numbers are values as they stand.

    Raises:
        InputError: several scales would do.
    """
    values = sampled_values(raster, _CELLS)
    low, high = span
    width = high - low
    if values.size == 0 or width <= 0 or np.abs(values).max() <= max(abs(low), abs(high)) + _FAR * width:
        return None
    fitting = [
        k
        for k in _SCALES
        if values.min() / k >= low - _ROOM * width and values.max() / k <= high + _ROOM * width
    ]
    if not fitting:
        return None
    if len(fitting) > 1:
        raise InputError(
            f"{raster.label}: {raster.ref.path} holds whole numbers up to {values.max():g}, where the model "
            f"saw {low:g} to {high:g}, and no scale, which may be {' or '.join(f'1/{k}' for k in fitting)}: "
            f"state it (--scale {raster.label}={1 / fitting[-1]:g})."
        )
    return 1 / fitting[0]


def check_scale(raster: Raster, span: tuple[float, float]) -> None:
    """Refuse fractions that a scale, which was applied to them before, makes next to nothing.

    Args:
        raster: open.
        span: the range seen in training, in the wanted units.

    Raises:
        InputError: all values are next to nothing, and the file's scale is in doubt.
    """
    values = sampled_values(raster, _CELLS)
    if not any(SCALE_DOUBT in line for line in raster.doubts):  # known once cells are read
        return
    if values.size and float(np.abs(values).max()) < _LOST * max(abs(span[0]), abs(span[1])):
        most = np.abs(values).max()
        raise InputError(
            f"{raster.label}: {raster.ref.path} holds fractions and a scale factor that makes them at most "
            f"{most:.1g}, where the model saw {span[0]:g} to {span[1]:g}: they seem to be the "
            f"values already, so give the scale 1 (--scale {raster.label}=1)."
        )


def scaled_doubt(name: str, scale: float, span: tuple[float, float]) -> str:
    """Say which scale is taken, and why."""
    return (
        f"{name} holds whole numbers far beyond {span[0]:g} to {span[1]:g}, the range seen in training, and "
        f"states no scale: they are multiplied by {scale:g}."
    )
