"""Whole fields, for metrics of spatial structure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike


def valid_fields(prediction: ArrayLike, truth: ArrayLike) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield pairs of (h, w) float64 fields, NaN in both where either is not finite.

    Leading dimensions (times, members) count as separate fields.

    Raises:
        ValueError: the shapes differ, or have fewer than two dimensions.
    """
    p, t = np.asarray(prediction), np.asarray(truth)
    if p.shape != t.shape:
        raise ValueError(f"prediction {p.shape} and truth {t.shape} differ in shape")
    if p.ndim < 2:
        raise ValueError(f"a field has two dimensions, not the shape {p.shape}")
    size = p.shape[-2:]
    for one, other in zip(p.reshape(-1, *size), t.reshape(-1, *size)):
        valid = np.isfinite(one) & np.isfinite(other)
        yield (
            np.where(valid, one, np.nan).astype(np.float64),
            np.where(valid, other, np.nan).astype(np.float64),
        )
