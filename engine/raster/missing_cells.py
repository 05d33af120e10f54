"""Which of a file's numbers stand for "no data": those that it names, and those that it forgot to name."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Numbers that programs write for missing cells, in the file's own numbers. Those of a type's end count
# for that type alone.
_USUAL: tuple[float, ...] = (
    -9999.0,
    -9999.9,
    -999.0,
    -999.9,
    -99.0,
    -99.9,
    -99.99,
    -999.99,
    -9999.99,
    -99999.0,
    -8888.0,
)
_USUAL += (-7777.0, -6999.0, -6666.0, -3000.0, -1e4, -1e5, -1e6, -32768.0, -32767.0, -2147483648.0)
_USUAL += (-2147483647.0, 9999.0, 999.0, 99999.0, 999999.0, 9999.9, 999.9, 9.999e9, 1e10, 1e15)
_ENDS = {
    np.dtype("u1"): (255.0, 254.0),
    np.dtype("i1"): (-128.0, 127.0),
    np.dtype("i2"): (32767.0,),
    np.dtype("u2"): (65535.0, 65534.0),
    np.dtype("i4"): (2147483647.0,),
    np.dtype("u4"): (4294967295.0,),
}
BEYOND = 1e18  # no geophysical quantity reaches it in any unit in use: 1e20, 9.97e36 and ±3.4e38 are no data
_ROUNDED = 1.3e-7  # relative: how far a whole number is off itself after one rounding in float32
_COLD = 100.0  # K: no air or ground is colder, so 0 K beside warmer values is no temperature
_NEAR = 1e-5  # relative: how far float32, or a tag of few digits, may be off a number
_COARSE = 2e-3  # the same beyond `BEYOND`: −3.4e38 is written for −3.4028e38


class MissingCells:
    """Tells the missing cells of one field.

    A number that the file names is missing wherever it stands, as are numbers outside its valid range.
    One that it does not name is taken as missing when programs use it so and it lies far from all other
    values: further than half their range (a quarter for a negative one; a hundredth below a field
    without negative values). So is 0 K beside temperatures.

    Args:
        named: the numbers that the file calls missing.
        valid: the range of its valid numbers, None where open.
        sample: gives cells of the whole field, to which a suspicious number is compared.
        kelvin: whether the numbers are kelvin as they stand.
    """

    def __init__(
        self,
        named: Sequence[float],
        valid: tuple[float | None, float | None],
        sample: Callable[[], NDArray[Any]],
        kelvin: bool = False,
    ) -> None:
        self.named = tuple(n for n in dict.fromkeys(float(n) for n in named) if not math.isnan(n))
        self.valid, self._sample, self._kelvin = valid, sample, kelvin
        self._verdicts: dict[float, bool] = {}
        self._span: tuple[float, float] | None = None

    @property
    def unnamed(self) -> list[float]:
        """The numbers that were taken as missing though the file does not name them."""
        return [number for number, missing in self._verdicts.items() if missing]

    def holes(self, raw: NDArray[Any], labels: bool = False) -> NDArray[np.bool_] | None:
        """Return where `raw`, in the file's numbers, is missing; None where it is nowhere.

        NaN is missing as it is and left out of this. Class numbers (`labels`) are missing only where the
        file says so.
        """
        holes: NDArray[np.bool_] | None = None
        for number in self.named:
            holes = _either(holes, same_number(raw, number))
        low, high = self.valid
        if low is not None:
            holes = _either(holes, raw < low)
        if high is not None:
            holes = _either(holes, raw > high)
        return holes if labels else self._forgotten(raw, holes)

    def _forgotten(self, raw: NDArray[Any], holes: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        """Add the numbers that the file did not name: they are the least or the greatest there are."""
        usual = (*_USUAL, *_ENDS.get(raw.dtype.newbyteorder("="), ()))
        for _ in range(8):
            for extreme in _extremes(raw, holes):
                if self._missing(extreme, usual):
                    holes = _either(holes, same_number(raw, extreme))
                    break
            else:
                return holes
        return holes

    def _missing(self, number: float, usual: Sequence[float]) -> bool:
        if math.isinf(number):
            return False
        if abs(number) >= BEYOND:
            self._verdicts[number] = True
            return True
        if number == 0 and not self._kelvin:
            return False
        if number != 0 and not any(math.isclose(number, one, rel_tol=1e-6) for one in usual):
            return False
        if number not in self._verdicts:
            self._verdicts[number] = self._far(number, usual)
        return self._verdicts[number]

    def _far(self, number: float, usual: Sequence[float]) -> bool:
        """Return whether a number lies far from the field's values that are not suspicious themselves."""
        if self._span is None:
            values = np.asarray(self._sample()).ravel()
            values = values[np.isfinite(values) & (np.abs(values.astype(np.float64)) < BEYOND)]
            for one in (number, *usual, *self.named):
                values = values[~same_number(values, one)]
            self._span = (float(values.min()), float(values.max())) if values.size else (math.nan, math.nan)
        low, high = self._span
        if number == 0:
            return low > _COLD
        if math.isnan(low):  # nothing else is there
            return abs(number) >= 999 or number < 0
        gap = low - number if number < low else number - high
        share = 0.5 if number > 0 else 0.25 if low < 0 else 0.01
        return gap > share * (high - low) and gap > 0


def same_number(raw: NDArray[Any], number: float) -> NDArray[np.bool_]:
    """Return where an array holds a number, as closely as its type and the number's digits can say."""
    if raw.dtype.kind in "iu":
        # A whole number is compared as one: numpy would turn all cells into doubles.
        whole = number == int(number) if math.isfinite(number) else False
        info = np.iinfo(raw.dtype)
        if not whole or not info.min <= number <= info.max:
            return np.zeros(raw.shape, bool)
        return raw == int(number)
    if math.isinf(number):
        return raw == number
    if abs(number) >= BEYOND:
        with np.errstate(invalid="ignore", over="ignore"):
            return np.abs(raw / number - 1) < _COARSE
    if number == int(number):
        return np.abs(raw - number) <= _ROUNDED * abs(number)
    return np.abs(raw - number) <= _NEAR * abs(number)


def _either(a: NDArray[np.bool_] | None, b: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    if not b.any():
        return a
    return b if a is None else a | b


def _extremes(raw: NDArray[Any], holes: NDArray[np.bool_] | None) -> list[float]:
    values = raw if holes is None else raw[~holes]
    if values.size == 0:
        return []
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            ends = [float(np.fmin.reduce(values, axis=None)), float(np.fmax.reduce(values, axis=None))]
        return [end for end in ends if not math.isnan(end)]
    return [float(values.min()), float(values.max())]
