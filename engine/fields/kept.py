"""What is made of a tile's static sources at its first date, kept for the dates to come.

A tile is made for all its dates before the next one is. It goes with the tile's patches and is gone with
them: nothing of it can reach another tile or another run.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")
Up = Callable[[Sequence[Tensor]], list[Tensor]]  # copies to a device


class KeptForDates:
    """Things made of static sources alone, each under a key that says of what and by whom it was made."""

    def __init__(self) -> None:
        self._made: dict[Hashable, Any] = {}
        self._copies: dict[int, tuple[Tensor, Tensor]] = {}  # id of one of `static` → itself, its copy

    def made(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what is kept under a key, made now where nothing is."""
        if key not in self._made:
            self._made[key] = make()
        known: T = self._made[key]
        return known

    def made_with(self, key: Hashable, mask: Tensor | None, make: Callable[[], T]) -> T:
        """Return what is kept under a key, made anew where it was made with another mask than this one."""
        known: tuple[Tensor | None, T] | None = self._made.get(key)
        if known is None or not _same(known[0], mask):
            known = mask, make()
            self._made[key] = known
        return known[1]

    def put(self, key: Hashable, value: Any) -> None:
        """Keep a value in another form than it was made in."""
        self._made[key] = value

    def part(self, key: Hashable) -> KeptForDates:
        """Return what is kept of a part of the work, apart from all else."""
        return self.made((key,), KeptForDates)

    def copied(
        self, tensors: Sequence[Tensor], up: Callable[[Sequence[Tensor]], list[Tensor]]
    ) -> list[Tensor]:
        """Return copies, of tensors that were kept the copies of last time."""
        kept = {id(value) for value in self._made.values() if isinstance(value, Tensor)}
        new = [tensor for tensor in tensors if id(tensor) not in self._copies]
        copies = {id(tensor): copy for tensor, copy in zip(new, up(new), strict=True)}
        for tensor in new:
            if id(tensor) in kept:
                self._copies[id(tensor)] = tensor, copies[id(tensor)]
        return [copies[id(t)] if id(t) in copies else self._copies[id(t)][1] for t in tensors]


class LastKept:
    """What is kept of the tile that was last asked for."""

    def __init__(self) -> None:
        self._last: tuple[Hashable, KeptForDates] | None = None

    def of(self, tile: Hashable) -> KeptForDates:
        """Return what is kept of a tile, nothing yet of another one than before."""
        if self._last is None or self._last[0] != tile:
            self._last = tile, KeptForDates()
        return self._last[1]


def kept_or_made(kept: KeptForDates | None, key: Hashable, make: Callable[[], T]) -> T:
    """Return what is kept under a key; without anything to keep it in, make it."""
    return make() if kept is None else kept.made(key, make)


def _same(one: Tensor | None, other: Tensor | None) -> bool:
    return one is other if one is None or other is None else torch.equal(one, other)
