"""What every metric offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from numpy.typing import ArrayLike

from training.metrics.shown import Shown


class Metric(ABC):
    """A number over many tiles and times that never holds more than one tile.

    `update` takes two fields of one shape, in the same units, NaN where invalid. `merge` adds what
    another instance with the same settings has seen. `compute` returns NaN before any valid cell.
    """

    SHOWN: ClassVar[Shown]
    of_means: ClassVar[bool] = False  # it compares coarse means, not fine fields

    @abstractmethod
    def update(self, prediction: ArrayLike, truth: ArrayLike) -> None:
        """Take in one tile."""

    @abstractmethod
    def merge(self, other: Any) -> None:
        """Take in everything that `other`, of the same kind, took in."""

    @abstractmethod
    def compute(self) -> float:
        """Return the value over everything taken in."""


class EnsembleMetric(ABC):
    """A number over many tiles and times of an ensemble that never holds more than one tile.

    `update` takes members, (M, …), and the truth, (…), in the same units, NaN where invalid: a cell
    counts where the truth and every member are valid. `merge` adds what another instance with the same
    settings has seen. `compute` returns NaN before any valid cell.
    """

    SHOWN: ClassVar[Shown]

    @abstractmethod
    def update(self, members: ArrayLike, truth: ArrayLike) -> None:
        """Take in one tile."""

    @abstractmethod
    def merge(self, other: Any) -> None:
        """Take in everything that `other`, of the same kind, took in."""

    @abstractmethod
    def compute(self) -> float:
        """Return the value over everything taken in."""
