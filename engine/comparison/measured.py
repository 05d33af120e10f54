"""How far a method's field lies from the known one: sums over windows, and the numbers made of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass
class DepartureSums:
    """Running sums of made − known over the cells that have both."""

    cells: int = 0
    known: int = 0  # cells with a known value
    _weight: float = field(default=0.0, init=False)
    _sum: float = field(default=0.0, init=False)
    _squares: float = field(default=0.0, init=False)

    def add(self, departure: Tensor, reference: Tensor, weights: Tensor | None) -> None:
        """Add a window.

        Args:
            departure: (rows, columns), NaN where there is none.
            reference: the known values, likewise.
            weights: (rows,); None: all the same.
        """
        valid = torch.isfinite(departure)
        values = torch.where(valid, departure, torch.zeros_like(departure)).double()
        each = valid.double() if weights is None else valid.double() * weights.double()[:, None]
        self.cells += int(valid.sum())
        self.known += int(torch.isfinite(reference).sum())
        self._weight += float(each.sum())
        self._sum += float((each * values).sum())
        self._squares += float((each * values.square()).sum())

    @property
    def rmse(self) -> float:
        """Root mean square, NaN without a cell."""
        return math.sqrt(self._squares / self._weight) if self._weight else math.nan

    @property
    def bias(self) -> float:
        """Mean, NaN without a cell."""
        return self._sum / self._weight if self._weight else math.nan


@dataclass(frozen=True)
class ComparedRow:
    """What is told of a method at a level."""

    level: str
    method: str
    title: str
    factor: int
    cells: int
    rmse: float
    ratio: float  # of the RMSE to that of smoothly conserved bicubic interpolation
    bias: float
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return dict(self.__dict__)
