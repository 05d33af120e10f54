"""Whole fields, for metrics of spatial structure."""

from __future__ import annotations

from collections.abc import Iterator

from numpy.typing import ArrayLike

from training.metrics.structure.field import Field, pair


def field_pairs(prediction: ArrayLike | Field, truth: ArrayLike | Field) -> Iterator[tuple[Field, Field]]:
    """Yield pairs of (h, w) fields that are valid where both are finite.

    Leading dimensions (times, members) count as separate fields.

    Raises:
        ValueError: the shapes differ, or have fewer than two dimensions.
    """
    p, t = pair(prediction, truth)
    if len(p.shape) < 2:
        raise ValueError(f"a field has two dimensions, not the shape {p.shape}")
    if len(p.shape) == 2:
        yield p, t
        return
    size = p.shape[-2:]
    for one, other in zip(p.values.reshape(-1, *size), t.values.reshape(-1, *size)):
        yield pair(one, other)
