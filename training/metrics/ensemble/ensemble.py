"""What every ensemble metric shares, and the cells that count."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike


class EnsembleMetric(Protocol):
    """A number over many tiles and times of an ensemble that never holds more than one tile.

    `update` takes members, (M, …), and the truth, (…), in the same units, NaN where invalid: a cell
    counts where the truth and every member are valid. `merge` adds what another instance with the same
    settings has seen. `compute` returns NaN before any valid cell.
    """

    def update(self, members: ArrayLike, truth: ArrayLike) -> None:
        """Take in one tile."""

    def merge(self, other: Any) -> None:
        """Take in everything that `other`, of the same kind, took in."""

    def compute(self) -> float:
        """Return the value over everything taken in."""


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
