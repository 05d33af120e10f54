"""A field that keeps what metrics derive from it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

T = TypeVar("T")


class Field:
    """Values of any shape, in the target's units, some of them invalid, and what was made of them.

    Several metrics ask the same of a field (its valid cells, a histogram, sums over windows), and one
    truth is met by many predictions. What is asked for by `once` is made once and kept as long as the
    field itself. Where an array is wanted, a field is its `values`.

    Args:
        given: the values; not copied.
        valid: of the same shape, which cells count; by default those that are finite.
    """

    def __init__(self, given: ArrayLike, valid: np.ndarray | None = None) -> None:
        self._given = np.asarray(given)
        self.valid = np.isfinite(self._given) if valid is None else valid
        self._made: dict[Hashable, Any] = {}

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the values."""
        return self._given.shape

    @property
    def values(self) -> np.ndarray:
        """Float64, NaN where invalid."""
        return self.once("values", lambda: np.where(self.valid, self._given, np.nan).astype(np.float64))

    @property
    def cells(self) -> np.ndarray:
        """The valid values alone, flat, float64."""
        return self.once("cells", lambda: self._given[self.valid].astype(np.float64))

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` returned when this key was first asked for."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def among(self, valid: np.ndarray) -> Field:
        """Return the field with these cells valid, some or all of its own; itself where all of them are."""
        return self if np.array_equal(valid, self.valid) else Field(self._given, valid)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.values if dtype is None else self.values.astype(dtype, copy=False)


def pair(prediction: ArrayLike | Field, truth: ArrayLike | Field) -> tuple[Field, Field]:
    """Return prediction and truth as fields that are valid where both are.

    Raises:
        ValueError: the shapes differ.
    """
    p, t = (f if isinstance(f, Field) else Field(f) for f in (prediction, truth))
    if p.shape != t.shape:
        raise ValueError(f"prediction {p.shape} and truth {t.shape} differ in shape")
    if p.valid is t.valid:
        return p, t
    both = p.valid & t.valid
    p, t = p.among(both), t.among(both)
    p.valid = t.valid  # the same array: the next metric need not look again
    return p, t
