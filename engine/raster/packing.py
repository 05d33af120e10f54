"""How a file's numbers become values: scale and offset, as the file means them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.raster.reference import RasterRef

SCALE_DOUBT = "its numbers are fractions already"  # by which a doubt of a scale is known
_INVERSE = 100.0  # whole scale factors from here on are to be divided by, as products of MODIS write them


@dataclass(frozen=True)
class Packing:
    """value = number in the file · scale + offset.

    Attributes:
        stated: whether file or user say a scale.
        note: how it was taken, where that is not as it stands; "" otherwise.
        doubt: what may be wrong with it; "" otherwise.
    """

    scale: float = 1.0
    offset: float = 0.0
    stated: bool = False
    note: str = ""
    doubt: str = ""

    def unpack(self, numbers: NDArray[Any], holes: NDArray[np.bool_] | None) -> None:
        """Turn a field's numbers, floating ones, into values in place; NaN in the holes."""
        if self.scale != 1.0:
            numbers *= self.scale
        if self.offset != 0.0:
            numbers += self.offset
        if holes is not None:
            numbers[holes] = np.nan


def packing(
    scale: float, offset: float, said: RasterRef, dtype: Any, sample: Callable[[], NDArray[Any]]
) -> Packing:
    """Return how a field is packed.

    Args:
        scale, offset: the file's own; 1 and 0 where it says none.
        said: the user's count in place of them.
        dtype: of the file's numbers.
        sample: gives some of them.
    """
    if said.scale is not None:
        own = offset if said.offset is None else said.offset
        return Packing(said.scale, own, True)
    offset = offset if said.offset is None else said.offset
    if not math.isfinite(scale) or scale == 0 or not math.isfinite(offset):
        return Packing(note=f"its scale factor {scale:g} and offset {offset:g} mean nothing and are left out")
    kind = np.dtype(dtype).kind
    if kind in "iu" and scale >= _INVERSE and scale == round(scale) and offset == 0:
        return Packing(
            1 / scale,
            0.0,
            True,
            f"its scale factor is {scale:g}: its numbers are divided by it, as products of MODIS mean it",
        )
    if kind == "f" and 0 < scale < 1 and _power_of_ten(scale) and _fractions(sample()):
        return Packing(
            scale,
            offset,
            True,
            doubt=f"{SCALE_DOUBT}, and are multiplied by its scale factor {scale:g}, as "
            f"it says: where they are the values themselves, give the scale 1",
        )
    return Packing(scale, offset, scale != 1.0 or offset != 0.0)


def _power_of_ten(number: float) -> bool:
    return math.isclose(10 ** round(math.log10(number)), number, rel_tol=1e-6)


def _fractions(numbers: NDArray[Any]) -> bool:
    """Return whether most numbers are no whole ones."""
    values = numbers[np.isfinite(numbers)]
    values = values[(values != 0) & (np.abs(values) < 1e9)]
    return values.size > 0 and float((values != np.round(values)).mean()) > 0.5
