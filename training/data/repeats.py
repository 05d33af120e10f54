"""Cells that repeat a neighbour: copies made when a product was put on its grid, not measurements."""

from __future__ import annotations

import numpy as np

LUCK = 1e-3  # series are not taken for copies where they would be alike as often by rounding
SAMPLED = 50  # times, at most, that tell how coarsely values are rounded


def repeated(values: np.ndarray) -> np.ndarray:
    """Return which cells have, at all times, the same value as the cell beside, above or below them.

    A product that was resampled to the nearest cell, or continued beyond its edge, holds a series
    twice. Between two copies there is no difference to learn, however much the ground differs. Series
    that never change (a dry or a covered cell) are not told apart from copies, so they are kept; nor are
    those that rounding makes alike at the few times that tell them apart (millimetres of rain, say).

    Args:
        values: (T, H, W), NaN where missing.

    Returns:
        (H, W) bool: every cell of each pair, since either may be the copy.
    """
    repeats = np.zeros(values.shape[1:], dtype=bool)
    if values.shape[0] < 2:
        return repeats
    changes = (values != values[:1]).any(0) & np.isfinite(values).any(0)
    changes &= _chance(values) ** _told_apart(values) < LUCK
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


def _chance(values: np.ndarray) -> float:
    """Return how often neighbours are rounded to the same value, at about any one time."""
    few = values[:: -(-len(values) // SAMPLED)]
    steps = np.diff(np.unique(few[np.isfinite(few)]))
    apart = np.concatenate([np.abs(np.diff(few, axis=axis)).ravel() for axis in (1, 2)])
    apart = apart[np.isfinite(apart) & (apart > 0)]
    if not steps.size or not apart.size:
        return 0.0
    return float(steps.min() / (steps.min() + np.median(apart)))


def _told_apart(values: np.ndarray) -> np.ndarray:
    """Return at how many times a cell has another value than the commonest of all, (H, W)."""
    few = values[:: -(-len(values) // SAMPLED)]
    kinds, counts = np.unique(few[np.isfinite(few)], return_counts=True)
    common = kinds[counts.argmax()] if kinds.size else np.nan
    return (np.isfinite(values) & (values != common)).sum(0)
