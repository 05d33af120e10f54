"""Where there is truth to learn from: its share of each coarse cell, and each window's chance by it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.errors import InputError
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


def by_truth(chance: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return chances of windows so changed that those without truth are not drawn, summing to one.

    Those with little of it are drawn in proportion, those with `ENOUGH` as often as they were. Where every
    window has enough, the chances stay as they are to the last digit.

    Args:
        chance: of each window, any shape.
        share: of its cells that have a truth, the same shape.

    Raises:
        InputError: no window has any.
    """
    weight = np.where(share > ROUND_OFF, np.minimum(share / ENOUGH, 1.0), 0.0)
    if weight.min() >= 1:
        return chance
    if not weight.any():
        raise InputError(
            "split: what it trains on has no fine truth anywhere, so there is nothing to learn from: "
            "train on other dates or places."
        )
    weighted = chance * weight
    total = weighted.sum()
    return weighted / total if total > 0 else weight / weight.sum()
