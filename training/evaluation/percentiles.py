"""Exact percentiles of fields that never stand in memory together.

A float32, read as a whole number, keeps its order once the sign is dealt with. So two passes over the
data are enough for any order statistic: the first counts the upper 16 bits, which tells in which of
65,536 bins the wanted value lies; the second counts the lower 16 bits of the values in those bins. This
is radix selection (Knuth 1998, The Art of Computer Programming 3, section 5.2.5, for the digits).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from training.metrics.distribution.scale import TruthScale, apart

BINS = 1 << 16
SIGN = np.uint32(1 << 31)

Fields = Callable[[], Iterable[ArrayLike]]  # gives the same fields each time it is called


def percentiles(fields: Fields, wanted: Sequence[float]) -> list[float]:
    """Return percentiles of all finite values, interpolated linearly, as `numpy.percentile` of them gives.

    Args:
        fields: float32 arrays of any shape, a few at a time; called twice.
        wanted: from 0 to 100.

    Raises:
        ValueError: no value is finite.
    """
    upper = np.zeros(BINS, np.int64)
    for values in fields():
        upper += np.bincount(_ordered(values) >> 16, minlength=BINS)
    count = int(upper.sum())
    if not count:
        raise ValueError("no value is finite")
    places = [(count - 1) * p / 100 for p in wanted]
    ranks = sorted({rank for place in places for rank in (math.floor(place), math.ceil(place))})
    below = np.concatenate([[0], np.cumsum(upper)])
    bins = {rank: int(np.searchsorted(below, rank, side="right")) - 1 for rank in ranks}
    lower = {bin_: np.zeros(BINS, np.int64) for bin_ in set(bins.values())}
    for values in fields():
        ordered = _ordered(values)
        high = ordered >> 16
        for bin_ in lower:
            lower[bin_] += np.bincount(ordered[high == bin_] & 0xFFFF, minlength=BINS)
    answers = {}
    for rank, bin_ in bins.items():
        low = int(np.searchsorted(np.cumsum(lower[bin_]), rank - below[bin_], side="right"))
        answers[rank] = _value((bin_ << 16) | low)
    return [
        answers[math.floor(place)] + (answers[math.ceil(place)] - answers[math.floor(place)]) * (place % 1)
        for place in places
    ]


def streamed_scale(fields: Fields) -> TruthScale:
    """Return the scale of the truth (see `training.metrics.truth_scale`), a field at a time."""
    low, high, least, greatest, wet, extreme = percentiles(fields, [0.1, 99.9, 0, 100, 95, 99])
    return TruthScale(*apart(low, high, least, greatest), least, greatest, wet, extreme)


def _ordered(values: ArrayLike) -> np.ndarray:
    """Return the finite values as whole numbers in the same order."""
    values = np.asarray(values, np.float32)
    bits = values[np.isfinite(values)].view(np.uint32)
    return np.where(bits & SIGN, ~bits, bits | SIGN).astype(np.int64)


def _value(ordered: int) -> float:
    bits = np.uint32(ordered)
    bits = bits & ~SIGN if bits & SIGN else ~bits
    return float(np.array(bits, np.uint32).view(np.float32))
