"""Statistics over an ensemble's members, cell by cell: mean, variance, quantiles."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_BLOCK = 4_000_000  # numbers sorted at once


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
        departure = field - self.mean
        self.mean = self.mean + departure / self.count
        self._squares = self._squares + departure * (field - self.mean)

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
    results = [torch.empty(rows, cols) for _ in levels]
    step = max(1, _BLOCK // (count * cols))
    for row in range(0, rows, step):
        part = slice(row, row + step)
        ordered = torch.stack([member[part] for member in members]).sort(0).values  # NaN comes last
        invalid = ordered[-1].isnan()
        for field, level in zip(results, levels, strict=True):
            place = min(max((count + 1) * level, 1.0), float(count)) - 1
            below = min(int(place), count - 2) if count > 1 else 0
            above = min(below + 1, count - 1)
            field[part] = torch.lerp(ordered[below], ordered[above], place - below)
            field[part].masked_fill_(invalid, torch.nan)
    return results
