"""What every method offers to the pipeline, learned or not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from engine.errors import InputError
from engine.fields.patch import Patch
from engine.specs import SourceSpec, TargetSpec

CLIMATOLOGY, ELEVATION = "climatology", "elevation"  # their names as sources of a baseline


class Method(Protocol):
    """Makes a fine field from a coarse one and what sources there are."""

    id: str
    title: str
    factor: int
    halo: int  # coarse cells of context on each side
    target: TargetSpec
    sources: tuple[SourceSpec, ...]  # what it can use

    def check(self, given: set[str]) -> None:
        """Refuse to run without a required source.

        Args:
            given: names of the sources that are there.

        Raises:
            InputError: naming the source that is missing.
        """

    def predict(self, patch: Patch) -> Tensor:
        """Return (B, h·k, w·k) float32 in the target's units, within its bounds, NaN where invalid.

        The patch's halo is at least the method's. The result does not depend on where a tile
        begins. Conservation comes after.
        """


class EnsembleMethod(Method, Protocol):
    """A method that can also draw members, each as likely as the next."""

    def predict_members(self, patch: Patch, seed: int, members: Iterable[int]) -> Iterator[Tensor]:
        """Yield members as `predict` returns fields: 0 is the estimate without noise, 1, 2, … are draws.

        Seed, member and place decide a draw, wherever a tile begins; the patch has an `origin`.
        """


@dataclass(frozen=True)
class BaselineInfo:
    """A method without learning, as lists and forms show it."""

    title: str
    help: str
    needs_climatology: bool
    needs_date: bool
    build: Callable[[int, TargetSpec], Method]
    conserves: bool = False  # the method itself keeps the coarse means
    suits: Callable[[TargetSpec], bool] = lambda target: True  # whether it is for such a target


def check_sources(sources: Iterable[SourceSpec], given: set[str], method: str) -> None:
    """Refuse to run without a required source.

    Raises:
        InputError: naming the source that is missing.
    """
    for source in sources:
        if not source.optional and source.name not in given:
            raise InputError(
                f"{method} needs the source {source.name} ({source.units}): give a raster for it."
            )
