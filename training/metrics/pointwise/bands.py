"""Error by band of elevation, or of any other field that lies still."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Band:
    """One band, `low` ≤ elevation < `high`, and the errors in it, NaN where it has no valid cell."""

    low: float
    high: float
    count: int
    rmse: float
    mae: float
    bias: float


class BandedError:
    """RMSE, MAE and bias of a prediction by band of elevation.

    Cells below the first edge, above the last or without an elevation do not count; the last band
    holds its upper edge too. `update` may be called tile by tile.

    Args:
        edges: of the bands, rising, in the elevation's units; ±infinity are allowed.

    Raises:
        ValueError: there are fewer than two edges, or they do not rise.
    """

    def __init__(self, edges: Sequence[float]) -> None:
        self.edges = np.asarray(edges, dtype=np.float64)
        if self.edges.size < 2 or not (np.diff(self.edges) > 0).all():
            raise ValueError(f"the edges of bands must be two or more and rise, not {list(edges)}")
        bands = self.edges.size - 1
        self.count = np.zeros(bands, dtype=np.int64)
        self.sums = np.zeros((3, bands))  # of squared, absolute and signed errors

    def update(self, prediction: ArrayLike, truth: ArrayLike, elevation: ArrayLike) -> None:
        """Take in one tile.

        Args:
            prediction, truth: (…, h, w), in the target's units, NaN where invalid.
            elevation: (h, w), or of the prediction's shape.

        Raises:
            ValueError: the shapes do not fit.
        """
        p, t = np.asarray(prediction, dtype=np.float64), np.asarray(truth, dtype=np.float64)
        if p.shape != t.shape:
            raise ValueError(f"prediction {p.shape} and truth {t.shape} differ in shape")
        z = np.broadcast_to(np.asarray(elevation, dtype=np.float64), p.shape)
        valid = np.isfinite(p) & np.isfinite(t) & (z >= self.edges[0]) & (z <= self.edges[-1])
        error = p[valid] - t[valid]
        last = self.count.size - 1
        band = np.minimum(np.searchsorted(self.edges, z[valid], side="right") - 1, last)
        self.count += np.bincount(band, minlength=last + 1)
        for index, values in enumerate((error**2, np.abs(error), error)):
            self.sums[index] += np.bincount(band, values, last + 1)

    def merge(self, other: BandedError) -> None:
        """Take in everything that `other` took in.

        Raises:
            ValueError: the other has other edges.
        """
        if not np.array_equal(self.edges, other.edges):
            raise ValueError("errors by different bands cannot be merged")
        self.count += other.count
        self.sums += other.sums

    def compute(self) -> tuple[Band, ...]:
        """Return the bands from the lowest up."""
        bands = []
        for index, count in enumerate(self.count):
            square, absolute, signed = self.sums[:, index] / count if count else np.full(3, np.nan)
            low, high = self.edges[index : index + 2]
            bands.append(
                Band(float(low), float(high), int(count), math.sqrt(square), float(absolute), float(signed))
            )
        return tuple(bands)
