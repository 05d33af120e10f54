"""Cells that repeat a neighbour: copies made when a product was put on its grid, not measurements."""

from __future__ import annotations

import numpy as np


def repeated(values: np.ndarray) -> np.ndarray:
    """Return which cells have, at all times, the same value as the cell beside, above or below them.

    A product that was resampled to the nearest cell, or continued beyond its edge, holds a series
    twice. Between two copies there is no difference to learn, however much the ground differs. Series
    that never change (a dry or a covered cell) are not told apart from copies, so they are kept.

    Args:
        values: (T, H, W), NaN where missing.

    Returns:
        (H, W) bool: every cell of each pair, since either may be the copy.
    """
    repeats = np.zeros(values.shape[1:], dtype=bool)
    if values.shape[0] < 2:
        return repeats
    changes = (values != values[:1]).any(0) & np.isfinite(values).any(0)
    for axis in (0, 1):
        one = [slice(None)] * 2
        two = [slice(None)] * 2
        one[axis], two[axis] = slice(None, -1), slice(1, None)
        first, second = values[:, one[0], one[1]], values[:, two[0], two[1]]
        same = ((first == second) | (np.isnan(first) & np.isnan(second))).all(0)
        same &= changes[tuple(one)]
        repeats[tuple(one)] |= same
        repeats[tuple(two)] |= same
    return repeats
