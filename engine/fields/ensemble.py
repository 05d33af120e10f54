"""Statistics over an ensemble's members, cell by cell: mean, variance, quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from engine.fields.windows import strip

_PIECE = 2**16  # cells that are put in order at a time: the processor's caches hold them


class MemberMoments:
    """Mean and unbiased variance over members, one after another (Welford 1962, Technometrics 4, 419–420).

    Fields are tensors of one shape; NaN in any of them is NaN in the result.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = torch.zeros(())
        self._squares = torch.zeros(())

    def add(self, field: Tensor) -> None:
        """Take one member."""
        self.count += 1
        if self.count == 1:
            self.mean, self._squares = field.clone(), torch.zeros_like(field)
            return
        departure = field - self.mean
        self.mean += departure / self.count
        self._squares += departure.mul_(field - self.mean)

    @property
    def variance(self) -> Tensor:
        """The unbiased variance over the members so far; NaN where there are fewer than two."""
        return self._squares / (self.count - 1 if self.count > 1 else torch.nan)


def quantiles(members: Sequence[Tensor], levels: Sequence[float]) -> list[Tensor]:
    """Return a field for each level, below which the truth lies with that probability.

    With M members from which the truth cannot be told apart, it is below the i-th smallest with
    probability i / (M + 1): so that is where that member stands, linear between (definition 6 of Hyndman &
    Fan 1996, "Sample quantiles in statistical packages", The American Statistician 50, 361–365). A level
    beyond the outermost members is the outermost member.

    Args:
        members: M fields (rows, cols).
        levels: between 0 and 1.

    Returns:
        (rows, cols) float32 for each level, NaN where a member is.
    """
    count, (rows, cols) = len(members), members[0].shape
    places = [min(max((count + 1) * level, 1.0), float(count)) - 1 for level in levels]
    lower = [min(int(place), max(count - 2, 0)) for place in places]
    exchanges = _exchanges(count, frozenset(rank for low in lower for rank in (low, min(low + 1, count - 1))))
    results = [torch.empty_like(members[0]) for _ in levels]
    step = strip(rows, cols, _PIECE, members[0].device)
    for row in range(0, rows, step):
        part = slice(row, row + step)
        ordered = _ordered([member[part] for member in members], exchanges)
        for field, place, low in zip(results, places, lower, strict=True):
            field[part] = torch.lerp(ordered[low], ordered[min(low + 1, count - 1)], place - low)
    return results


def _ordered(fields: list[Tensor], exchanges: Sequence[tuple[int, int]]) -> list[Tensor]:
    """Return the fields sorted cell by cell, as far as the exchanges sort them; they stay as they are.

    A NaN goes to every rank of its cell: whatever it is compared with becomes NaN.
    """
    fields = list(fields)
    for low, high in exchanges:
        one, other = fields[low], fields[high]
        fields[low], fields[high] = torch.minimum(one, other), torch.maximum(one, other)
    return fields


@lru_cache(maxsize=16)
def _exchanges(count: int, wanted: frozenset[int]) -> tuple[tuple[int, int], ...]:
    """Return pairs of places to put in order one after another, so that the wanted ranks are right.

    Batcher's merge exchange (Knuth, The Art of Computer Programming 3, algorithm 5.2.2 M), less what no
    wanted rank depends on: a few operations on whole fields are far faster than sorting each cell.
    """
    pairs, first = [], 1 << max((count - 1).bit_length() - 1, 0)
    size = first
    while size:
        stride, start, apart = first, 0, size
        while True:
            pairs += [(i, i + apart) for i in range(count - apart) if i & size == start]
            if stride == size:
                break
            apart, stride, start = stride - size, stride // 2, size
        size //= 2
    needed, kept = set(wanted), []
    for pair in reversed(pairs):
        if needed.intersection(pair):
            needed.update(pair)
            kept.append(pair)
    return tuple(reversed(kept))
