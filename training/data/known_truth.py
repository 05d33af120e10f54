"""Where there is truth to learn from: its share of each coarse cell, and how windows weigh by it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.data.archive import Archive

ROUND_OFF = 1e-9  # of a window's share
ENOUGH = 0.25  # share of a window with truth from which on more of it does not make it likelier


def truth_share(archive: Archive, times: Sequence[int]) -> np.ndarray:
    """Return the share of each coarse cell's fine cells that have a truth, (T, h, w) float32.

    It is zero where the coarse value is missing: nothing is made there that could be compared.
    """
    k, (height, width) = archive.factor, archive.shape
    share = np.empty((len(times), height, width), np.float32)
    for row, time in zip(share, times):
        known = np.isfinite(np.asarray(archive.fine[time])).reshape(height, k, width, k)
        row[:] = known.mean((1, 3), dtype=np.float32) * np.isfinite(np.asarray(archive.coarse[time]))
    return share


def bounding_box(cells: np.ndarray) -> tuple[int, int, int, int] | None:
    """Return first and last + 1 row, first and last + 1 column of the true cells; None where there is none.

    Args:
        cells: (h, w) booleans.
    """
    rows, columns = (np.flatnonzero(cells.any(axis)) for axis in (1, 0))
    if not rows.size:
        return None
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def truth_weight(share: np.ndarray) -> np.ndarray:
    """Return by how much likelier windows are drawn, 0 to 1, for the share of their cells that have a truth.

    Those without truth are not drawn, those with little of it in proportion, those with `ENOUGH` as often as
    all others.
    """
    return np.where(share > ROUND_OFF, np.minimum(share / ENOUGH, 1.0), 0.0)
