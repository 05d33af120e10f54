"""Fractions skill score: are events in the right neighbourhood, if not in the right cell?"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
from numpy.typing import ArrayLike

from training.metrics.metric import Metric
from training.metrics.shown import Shown
from training.metrics.structure.field import Field
from training.metrics.structure.fields import field_pairs


def corner_sums(field: np.ndarray) -> np.ndarray:
    """Return the sums of a field of booleans, (h, w), over the rows above and the columns left of each
    corner of its cells, (h + 1, w + 1).
    """
    total = np.zeros((field.shape[0] + 1, field.shape[1] + 1), dtype=np.int32)
    total[1:, 1:] = field.cumsum(0, dtype=np.int32).cumsum(1, dtype=np.int32)
    return total


def window_sums(corners: np.ndarray, window: int) -> np.ndarray:
    """Return the sum over the `window` × `window` cells around each cell of (h, w), cut at the border.

    Args:
        corners: of the field, from `corner_sums`.
        window: an odd number of cells.
    """
    half = window // 2
    height, width = (n - 1 for n in corners.shape)
    rows, columns = np.arange(height), np.arange(width)
    top, bottom = np.maximum(rows - half, 0), np.minimum(rows + half + 1, height)
    left, right = np.maximum(columns - half, 0), np.minimum(columns + half + 1, width)
    band = corners[bottom] - corners[top]
    return band[:, right] - band[:, left]


class FractionsSkillScore(Metric):
    """1 − Σ(f_p − f_t)² / (Σ f_p² + Σ f_t²), f the share of cells ≥ `threshold` in a square window.

    Sums run over all valid cells of all fields seen, so dry fields do not spoil the mean. Shares are of
    the valid cells of the window, which ends at the field's border. 1 is perfect, 0 is no overlap.
    `update` takes whole fields. One instance for one threshold, in the target's units, and one window,
    an odd number of cells.
    Roberts, N. M. & Lean, H. W. (2008), Scale-selective verification of rainfall accumulations from
    high-resolution forecasts of convective events.
    """

    SHOWN = Shown("FSS", "{:.4f}", 1)

    def __init__(self, threshold: float, window: int) -> None:
        if window < 1 or window % 2 == 0:
            raise ValueError(f"the window is an odd number of cells, not {window}")
        self.threshold, self.window = float(threshold), window
        self.apart = 0.0
        self.reference = 0.0

    def update(self, prediction: ArrayLike | Field, truth: ArrayLike | Field) -> None:
        """Take in whole fields, (…, h, w)."""
        for p, t in field_pairs(prediction, truth):
            cells = self._cells(t)
            f_p, f_t = self._shares(p, cells), self._shares(t, cells)
            self.apart += float(((f_p - f_t) ** 2).sum())
            self.reference += float((f_p**2).sum() + (f_t**2).sum())

    def _cells(self, truth: Field) -> np.ndarray:
        """Return how many cells of each window count."""
        return truth.once(("window cells", self.window), lambda: self._sums(truth, "valid", truth.valid))

    def _shares(self, field: Field, cells: np.ndarray) -> np.ndarray:
        """Return the share of events in the window of each valid cell, which holds so many of these."""

        def make() -> np.ndarray:
            events = field.values >= self.threshold  # NaN is never ≥
            return self._sums(field, self.threshold, events) / cells

        return field.once(("window shares", self.threshold, self.window), make)

    def _sums(self, field: Field, key: Hashable, cells: np.ndarray) -> np.ndarray:
        corners = field.once(("corner sums", key), lambda: corner_sums(cells))
        return window_sums(corners, self.window)[field.valid]

    def merge(self, other: FractionsSkillScore) -> None:
        """Take in everything that `other` took in.

        Raises:
            ValueError: the other has another threshold or window.
        """
        if (self.threshold, self.window) != (other.threshold, other.window):
            raise ValueError("scores of different thresholds or windows cannot be merged")
        self.apart += other.apart
        self.reference += other.reference

    def compute(self) -> float:
        """Return the score in 0..1, NaN where neither ever reached the threshold."""
        return 1 - self.apart / self.reference if self.reference else float("nan")
