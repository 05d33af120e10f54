"""Round numbers for a legend, from a little below the least value to a little above the largest."""

from __future__ import annotations

import math

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_FEWEST = 5  # numbers
_NEARLY_LINEAR = 3.0  # up to where log(1 + x) hardly bends
_DIGITS = 12  # beyond which a sum of steps is no longer exact


def round_values(low: float, high: float, transform: str = "identity") -> list[float]:
    """Return rising round numbers.

    Args:
        low, high: low < high; what they are to span.
        transform: log1p: 0, 1, 2, 5, 10, 20 …; cuberoot: denser towards 0.
    """
    if transform == "log1p" and low >= 0 and high > _NEARLY_LINEAR:
        return _decades(low, high)
    if transform == "cuberoot" and low >= 0 and high > 0:
        return _thinned(_linear(low, high, 10))
    return _linear(low, high, _FEWEST)


def share_of(value: float, low: float, high: float, transform: str = "identity") -> float:
    """Return how far a value lies on the way from low to high in the transformed space, 0..1."""
    low, high, value = (_forward(x, low, transform) for x in (low, high, value))
    return (value - low) / (high - low)


def _forward(value: float, low: float, transform: str) -> float:
    if transform == "log1p" and low > -1:
        return math.log1p(value)
    if transform == "cuberoot":
        return math.copysign(abs(value) ** (1 / 3), value)
    return value


def _linear(low: float, high: float, fewest: int) -> list[float]:
    """Return the multiples of the largest round step of which at least so many span low to high."""
    rough = (high - low) / (fewest - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = max((s * power for s in _STEPS if s * power <= rough * (1 + 1e-9)), default=power)
    first, last = math.floor(low / step + 1e-6), math.ceil(high / step - 1e-6)
    return [_clean(number * step) for number in range(first, max(last, first + 1) + 1)]


def _decades(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 of each power of ten, those of the first as far down as the values reach."""
    power = math.floor(math.log10(max(low, high / 100)))
    steps = [s * 10.0**p for p in range(power, math.ceil(math.log10(high)) + 1) for s in (1.0, 2.0, 5.0)]
    least = max((s for s in steps if s <= low), default=0.0)
    largest = min(s for s in steps if s >= high * (1 - 1e-9))
    inner = [_clean(s) for s in steps if least <= s <= largest]
    return inner if least > 0 else [0.0, *inner]


def _thinned(values: list[float]) -> list[float]:
    """Return every number near the least one, and fewer of the larger ones."""
    kept = values[:3]
    for value in values[3:-1]:
        if value >= 1.5 * kept[-1]:
            kept.append(value)
    return [*kept, values[-1]] if values[-1] > kept[-1] else kept


def _clean(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}") + 0.0  # no -0
