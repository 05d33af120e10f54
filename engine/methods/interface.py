"""What every method offers to the pipeline, learned or not."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from odc.geo.geobox import GeoBox
from torch import Tensor, nn

from engine.compute.devices import PrecisionPlan
from engine.errors import InputError
from engine.fields.coarse_stack import CoarseStack
from engine.fields.member_seed import Seed
from engine.fields.patch import Patch
from engine.specs import SourceSpec, TargetSpec

CLIMATOLOGY, ELEVATION = "climatology", "elevation"  # their names as sources of a simple method


@dataclass(frozen=True)
class BaseInUse:
    """What a run's base is made of.

    Attributes:
        weights: of the methods in use, by id; none: the best that the sources allow.
        fitted: share of the coarse cells that the regression is fitted on (see `CellRegression.share_of`);
            None: the base has none.
    """

    weights: tuple[tuple[str, float], ...]
    fitted: float | None = None


class Method(ABC):
    """Makes a fine field from a coarse one and what sources there are.

    Args:
        id: in requests and file names.
        title: in sentences and lists.
        factor: k, fine cells along a coarse cell's edge.
        target: what is downscaled.
        sources: what it can use.
    """

    halo: int = 0  # coarse cells of context on each side
    device: torch.device = torch.device("cpu")
    module: nn.Module | None = None  # whose layers a run listens to, so that it can be stopped in a tile

    def __init__(
        self, id: str, title: str, factor: int, target: TargetSpec, sources: tuple[SourceSpec, ...] = ()
    ) -> None:
        self.id, self.title, self.factor = id, title, factor
        self.target, self.sources = target, sources

    @property
    def plan(self) -> PrecisionPlan:
        """In what precision and memory layout it runs."""
        return PrecisionPlan()

    @property
    def bytes_per_cell(self) -> int:
        """A generous guess of the memory that a run needs for each fine cell of a patch."""
        return 160

    def check(self, given: set[str]) -> None:
        """Refuse to run without a required source.

        Args:
            given: names of the sources that are there.

        Raises:
            InputError: naming the source that is missing.
        """
        check_sources(self.sources, given, self.title)

    def base_in_use(self, given: Collection[str], climatology: bool, grid: GeoBox) -> BaseInUse | None:
        """Return what a model's base is made of in a run, None where nothing but the default is named.

        Args:
            given: names of the run's sources.
            climatology: whether one is among them.
            grid: the run's coarse cells.
        """
        return None

    @abstractmethod
    def predict(self, patch: Patch) -> Tensor:
        """Return (B, h·k, w·k) float32 in the target's units, within its bounds, NaN where invalid.

        The patch's halo is at least the method's. The result does not depend on where a tile
        begins. Conservation comes after.
        """


class EnsembleMethod(Method):
    """A method that can also draw members, each as likely as the next."""

    @property
    def shared_bytes_per_cell(self) -> float:
        """Memory that what members have in common takes beside, for each fine cell of a patch."""
        return 0.0

    @abstractmethod
    def predict_members(self, patch: Patch, seed: Seed, members: Iterable[int]) -> Iterator[Tensor]:
        """Yield members as `predict` returns fields: 0 is the estimate without noise, 1, 2, … are draws.

        Seed, member and place decide a draw, wherever a tile begins; the patch has an `origin`.
        """


class Judged(NamedTuple):
    """An estimate with what is expected of it, (B, h·k, w·k) each, NaN where invalid."""

    field: Tensor  # in the target's units
    error: Tensor  # the root mean square error that is expected, in the same
    support: Tensor  # the supported share of the detail's variance, 0 to 1


class FittedMethod(Method):
    """A method that learns from the run's own coarse field before the tiles, and says what to expect.

    Patches have an `origin`, and the `date` of a fitted one or of another.
    """

    @abstractmethod
    def fit(self, stack: CoarseStack, check: Callable[[], None]) -> None:
        """Learn from the coarse field; `check` is called now and then, and may raise to stop."""

    @property
    @abstractmethod
    def learned(self) -> dict[str, Any]:
        """What was learned, as plain data."""

    @abstractmethod
    def learned_in_words(self) -> list[str]:
        """What was learned, in sentences."""

    @property
    @abstractmethod
    def nothing_learned(self) -> str:
        """Why the result is no more than interpolation, in a sentence; "" where it is."""

    @abstractmethod
    def judged(self, patch: Patch) -> Judged:
        """Return what `predict` returns, with its expected error and its supported share."""

    def predict(self, patch: Patch) -> Tensor:
        """See `Method.predict`."""
        return self.judged(patch).field


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
