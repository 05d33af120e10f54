"""The sum of an array that is never held whole, to the last digit as NumPy gives that of the whole one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

MOST = 2**17  # values that are summed at once


def pairwise_sum(piece: Callable[[int, int], np.ndarray], count: int, most: int = MOST) -> float:
    """Return the sum of so many values.

    NumPy sums pairwise (Higham 1993, The accuracy of floating point summation, SIAM J. Sci. Comput. 14): it
    halves what it sums, on multiples of eight, down to blocks of 128. Here halves are summed in that order.

    Args:
        piece: (start, length) → the values there, one-dimensional and contiguous, float64.
        count: of all values.
        most: that are asked for at once; at least 128.
    """

    def total(start: int, length: int) -> float:
        if length <= most:
            return float(piece(start, length).sum())
        half = length // 2
        half -= half % 8
        return total(start, half) + total(start + half, length - half)

    return total(0, count)
