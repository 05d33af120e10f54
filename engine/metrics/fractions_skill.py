"""Fractions skill score: are events in the right neighbourhood, if not in the right cell?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from engine.metrics.fields import valid_fields


def window_sums(field: np.ndarray, window: int) -> np.ndarray:
    """Return the sum over the `window` × `window` cells around each cell of (h, w), cut at the border."""
    half = window // 2
    height, width = field.shape
    total = np.zeros((height + 1, width + 1), dtype=np.int64)
    total[1:, 1:] = field.astype(np.int64).cumsum(0).cumsum(1)
    rows, columns = np.arange(height), np.arange(width)
    top, bottom = np.maximum(rows - half, 0), np.minimum(rows + half + 1, height)
    left, right = np.maximum(columns - half, 0), np.minimum(columns + half + 1, width)
    band = total[bottom] - total[top]
    return band[:, right] - band[:, left]


class FractionsSkillScore:
    """1 − Σ(f_p − f_t)² / (Σ f_p² + Σ f_t²), f the share of cells ≥ `threshold` in a square window.

    Sums run over all valid cells of all fields seen, so dry fields do not spoil the mean. Shares are of
    the valid cells of the window, which ends at the field's border. 1 is perfect, 0 is no overlap.
    `update` takes whole fields. One instance for one threshold, in the target's units, and one window,
    an odd number of cells.
    Roberts, N. M. & Lean, H. W. (2008), Scale-selective verification of rainfall accumulations from
    high-resolution forecasts of convective events.
    """

    def __init__(self, threshold: float, window: int) -> None:
        if window < 1 or window % 2 == 0:
            raise ValueError(f"the window is an odd number of cells, not {window}")
        self.threshold, self.window = float(threshold), window
        self.apart = 0.0
        self.reference = 0.0

    def update(self, prediction: ArrayLike, truth: ArrayLike) -> None:
        """Take in whole fields, (…, h, w)."""
        for p, t in valid_fields(prediction, truth):
            valid = np.isfinite(t)
            cells = np.maximum(window_sums(valid, self.window), 1)
            f_p, f_t = (
                (window_sums(field >= self.threshold, self.window) / cells)[valid]  # NaN is never ≥
                for field in (p, t)
            )
            self.apart += float(((f_p - f_t) ** 2).sum())
            self.reference += float((f_p**2).sum() + (f_t**2).sum())

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
