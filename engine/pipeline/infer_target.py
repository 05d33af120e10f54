"""What kind of quantity a raster without a card holds: non-negative or signed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engine import units
from engine.errors import InputError
from engine.fields.conservation import ROUND_OFF
from engine.methods.interface import CLIMATOLOGY
from engine.quantities.upper_bound import upper_bound
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef
from engine.raster.sampling import CELLS
from engine.specs import TargetSpec

NEAR_ZERO = 1e-3  # of a climatology's largest value
NEAR_HIGH = 0.2  # of the largest value: a least one above it does not tell of zero


@dataclass(frozen=True)
class ValueRange:
    """The least and largest value of a raster, and where the least one lies."""

    low: float
    high: float
    band: int  # 1-based, as rows and columns
    row: int
    column: int


def infer_target(raster: Raster, quantity: str = "auto", climatology: RasterRef | None = None) -> TargetSpec:
    """Return a target's description, for methods that come without a card.

    A quantity that is never negative and reaches down to zero (rain, snow, moisture), or is never
    negative and an amount of water by its unit (mm/day, kg m-2), is kept non-negative and corrected by
    ratio; temperatures and all others are signed and corrected by difference. Without a unit it is
    non-negative too if its climatology is so: rain everywhere, say, of months that can be dry.
    Negatives within `ROUND_OFF` come of packing, and count as zero. Shares end at 1 or 100; see
    `engine.quantities.upper_bound`.

    Args:
        raster: the open target.
        quantity: nonnegative, signed, or auto.
        climatology: of the same quantity, where one is given.

    Raises:
        InputError: another word, or a non-negative quantity with negative values.
    """
    if quantity not in ("auto", "nonnegative", "signed"):
        raise InputError(f"The quantity {quantity!r} is unknown: choose auto, nonnegative or signed.")
    name = "target"
    if quantity == "signed" or (quantity == "auto" and units.is_temperature(raster.units)):
        return TargetSpec(name, raster.units)
    values = value_range(raster)
    low, high = values.low, values.high
    if -ROUND_OFF * high <= low < 0:
        low = 0.0
    if quantity == "nonnegative" and low < 0:
        band = f" of band {values.band}" if raster.count > 1 else ""
        raise InputError(
            f"target: {raster.ref.path} has values below zero, such as {low:g} in row {values.row}, column "
            f"{values.column}{band}: choose signed, or mend them."
        )
    known = quantity == "nonnegative" or (low > NEAR_HIGH * high and _reaches_zero(climatology, raster))
    return target_of(name, raster.units, _words(raster), low, high, known)


def target_of(
    name: str, unit: str, words: str, low: float, high: float, nonnegative: bool = False
) -> TargetSpec:
    """Return a target's description from what it is called and its least and largest value.

    Args:
        name, unit: of the target.
        words: what else it is called; see `engine.quantities.upper_bound`.
        low, high: of its values.
        nonnegative: whether it is known to be so, and to reach zero.
    """
    if units.is_temperature(unit) and not nonnegative:
        return TargetSpec(name, unit)
    # Rain is non-negative also where it rains everywhere.
    wet = low > NEAR_HIGH * high and not nonnegative and not units.is_water(unit)
    most = upper_bound(unit, words, low, high)
    if low < 0 or wet:
        return TargetSpec(name, unit, bounds=(None if most is None else 0.0, most))
    return TargetSpec(name, unit, transform="log1p", bounds=(0.0, most), conservation="multiplicative")


def _words(raster: Raster) -> str:
    """Return what a raster calls its quantity."""
    said = (raster.attributes.get(key, "") for key in ("standard_name", "long_name", "description"))
    return " ".join((raster.variable, *said))


def value_range(raster: Raster) -> ValueRange:
    """Return the least and largest value of a raster, over blocks of a sample when it is large.

    Raises:
        InputError: there is no valid value.
    """
    high, least = -math.inf, ValueRange(math.inf, math.inf, 1, 1, 1)
    bands = [raster.ref.band] if raster.ref.band else range(1, min(raster.count, 24) + 1)
    for band in bands:
        for part in raster.sample_windows(CELLS // len(bands)):
            values = raster.values([band], part)[0]
            known = np.isfinite(values)
            if not known.any():
                continue
            high = max(high, float(values[known].max()))
            low = float(values[known].min())
            if low < least.low:
                row, column = np.argwhere(known & (values == low))[0]
                row, column = round(part.row_off) + int(row) + 1, round(part.col_off) + int(column) + 1
                least = ValueRange(low, high, band, row, column)
    if not math.isfinite(least.low):
        raise InputError(f"{raster.label}: {raster.ref.path} holds no valid value.")
    return ValueRange(least.low, high, least.band, least.row, least.column)


def _reaches_zero(climatology: RasterRef | None, target: Raster) -> bool:
    """Say whether a climatology tells that a quantity without a unit is non-negative, and may be zero."""
    if climatology is None or target.units:
        return False
    raster = Raster(climatology, CLIMATOLOGY, check=target.check)
    try:
        values = value_range(raster)
        return 0 <= values.low <= NEAR_ZERO * values.high and not units.is_temperature(raster.units)
    finally:
        raster.close()
