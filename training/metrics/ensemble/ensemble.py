"""The cells of an ensemble that count."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def check_shapes(members: np.ndarray, truth: np.ndarray) -> None:
    """Check that members are (M, …) over the truth's cells.

    Raises:
        ValueError: they are not, or there is no member.
    """
    if members.ndim == 0 or members.shape[1:] != truth.shape or not members.shape[0]:
        raise ValueError(f"members {members.shape} and truth {truth.shape} do not fit: (M, …) and (…)")


def valid_members(members: ArrayLike, truth: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return members, (M, n), and truth, (n,), as float64 over the cells where all are finite.

    Raises:
        ValueError: the shapes do not fit, or there is no member.
    """
    x, t = np.asarray(members), np.asarray(truth)
    check_shapes(x, t)
    valid = np.isfinite(t) & np.isfinite(x).all(0)
    return x[:, valid].astype(np.float64), t[valid].astype(np.float64)
