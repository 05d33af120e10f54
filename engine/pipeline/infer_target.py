"""What kind of quantity a raster without a card holds: non-negative or signed."""

from __future__ import annotations

import math

import numpy as np

from engine import units
from engine.errors import InputError
from engine.raster.reader import Raster
from engine.raster.sampling import CELLS
from engine.specs import TargetSpec

ROUND_OFF = 1e-5  # of the largest value: a 16-bit file's steps are no finer


def infer_target(raster: Raster, quantity: str = "auto") -> TargetSpec:
    """Return a target's description, for methods that come without a card.

    A quantity that is never negative and reaches down to zero (rain, snow, moisture), or is never
    negative and an amount of water by its unit (mm/day, kg m-2), is kept non-negative and corrected by
    ratio; temperatures and all others are signed and corrected by difference. Negatives within
    `ROUND_OFF` come of packing, and count as zero.

    Args:
        raster: the open target.
        quantity: nonnegative, signed, or auto.

    Raises:
        InputError: another word, or a non-negative quantity with negative values.
    """
    if quantity not in ("auto", "nonnegative", "signed"):
        raise InputError(f"The quantity {quantity!r} is unknown: choose auto, nonnegative or signed.")
    name = "target"
    if quantity == "signed" or (quantity == "auto" and units.is_temperature(raster.units)):
        return TargetSpec(name, raster.units)
    low, high = value_range(raster)
    if -ROUND_OFF * high <= low < 0:
        low = 0.0
    if quantity == "nonnegative" and low < 0:
        raise InputError(f"target: {raster.ref.path} has values below zero ({low:g}): choose signed.")
    water = units.is_water(raster.units)  # rain is that also where it rains everywhere
    if low < 0 or (quantity == "auto" and low > 0.2 * high and not water):
        return TargetSpec(name, raster.units)
    return TargetSpec(
        name, raster.units, transform="log1p", bounds=(0.0, None), conservation="multiplicative"
    )


def value_range(raster: Raster) -> tuple[float, float]:
    """Return the least and largest value of a raster, over blocks of a sample when it is large."""
    low, high = math.inf, -math.inf
    bands = [raster.ref.band] if raster.ref.band else range(1, min(raster.count, 24) + 1)
    for band in bands:
        for part in raster.sample_windows(CELLS // len(bands)):
            values = raster.values([band], part)
            values = values[np.isfinite(values)]
            if values.size:
                low, high = min(low, float(values.min())), max(high, float(values.max()))
    if not math.isfinite(low):
        raise InputError(f"{raster.label}: {raster.ref.path} holds no valid value.")
    return low, high
