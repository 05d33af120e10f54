"""Coarse cells with gaps in their truth, whose coarse value is the mean of the rest alone."""

from __future__ import annotations

import numpy as np
import torch

from engine.fields.conservation import aggregate

NEAR = 1e-4  # of the coarse value or of the truth's spread: two means this near are the same


def without_gaps(truth: np.ndarray, coarse: np.ndarray, area: np.ndarray | None = None) -> np.ndarray:
    """Return which fine cells a coarse value speaks of, (h·k, w·k) booleans.

    Where it equals the mean of the cells with a truth, these alone: the others (sea, edges) have no part in
    it, and a field that is held to it over all of them would be wrong in the rest. Elsewhere all cells.

    Args:
        truth: (h·k, w·k), NaN where unknown.
        coarse: (h, w).
        area: (h·k,) relative area of each row's cells, where the mean is by area.
    """
    known, factor = np.isfinite(truth), truth.shape[-1] // coarse.shape[-1]
    if known.all() or not known.any():
        return np.ones_like(known)
    rows = None if area is None else torch.from_numpy(area)
    mean = aggregate(torch.from_numpy(np.ascontiguousarray(truth)), factor, rows).numpy()
    near = np.abs(mean - coarse) <= NEAR * np.maximum(np.abs(coarse), truth[known].std())
    return known | ~near.repeat(factor, 0).repeat(factor, 1)
