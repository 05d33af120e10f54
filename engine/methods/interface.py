"""What every method offers to the pipeline, learned or not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from engine.card import SourceSpec, TargetSpec
from engine.errors import InputError
from engine.patch import Patch

CLIMATOLOGY = "climatology"  # the climatology's name as a source of a baseline


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


@dataclass(frozen=True)
class BaselineInfo:
    """A method without learning, as lists and forms show it."""

    title: str
    help: str
    needs_climatology: bool
    needs_date: bool
    build: Callable[[int, TargetSpec], Method]


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


def crop(field: Tensor, halo: int, factor: int = 1) -> Tensor:
    """Cut `halo` coarse cells off each side of (..., H·factor, W·factor)."""
    cut = halo * factor
    return field[..., cut : field.shape[-2] - cut, cut : field.shape[-1] - cut]


def narrowed(patch: Patch, halo: int) -> Patch:
    """Return the patch with no more halo than asked for.

    Raises:
        ValueError: it has less.
    """
    cut = patch.halo - halo
    if cut < 0:
        raise ValueError(f"the patch has a halo of {patch.halo} coarse cells, the method needs {halo}")
    if cut == 0:
        return patch
    k = patch.factor

    def rows(values: Tensor | None) -> Tensor | None:
        return None if values is None else values[..., cut * k : values.shape[-1] - cut * k]

    return Patch(
        factor=k,
        halo=halo,
        target=crop(patch.target, cut),
        coarse={name: crop(values, cut) for name, values in patch.coarse.items()},
        fine={name: crop(values, cut, k) for name, values in patch.fine.items()},
        climatology=None if patch.climatology is None else crop(patch.climatology, cut, k),
        climatology_distance=patch.climatology_distance,
        cell_size=rows(patch.cell_size),
        area=rows(patch.area),
        day_of_year=patch.day_of_year,
    )
