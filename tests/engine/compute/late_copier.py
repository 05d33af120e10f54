"""Copies that are not there before somebody waits for them, as a busy device's may be."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from tests.training.trainer.other_device import OTHER, Elsewhere


class LateCopier:
    """Fills copies with what is no number, until it is waited for in the right place.

    Args:
        device: the processor, or the pretended one.
    """

    made: ClassVar[list[LateCopier]] = []

    def __init__(self, device: torch.device) -> None:
        self.elsewhere, self.waited, self.forgot = device == OTHER, [], 0
        LateCopier.made.append(self)

    @torch.inference_mode()
    def up(self, tensors: Sequence[Tensor]) -> tuple[list[Tensor], LateArrival]:
        places = [unknown(x) for x in tensors]

        def fill() -> None:
            for place, x in zip(places, tensors, strict=True):
                place.copy_(x)

        copies = [Elsewhere(x) for x in places] if self.elsewhere else places
        return copies, LateArrival(self, "on_device", fill)

    @torch.inference_mode()
    def down(self, tensors: Sequence[Tensor]) -> tuple[list[Tensor], LateArrival]:
        held = [x.held if isinstance(x, Elsewhere) else x for x in tensors]
        assert all(isinstance(x, Elsewhere) for x in tensors) == self.elsewhere
        places = [unknown(x) for x in held]

        def fill() -> None:
            for place, x in zip(places, held, strict=True):
                place.copy_(x)

        return places, LateArrival(self, "on_processor", fill)

    def forget(self) -> None:
        self.forgot += 1


class LateArrival:
    """Brings copies when the one is asked for who waits for them."""

    def __init__(self, copier: LateCopier, awaited: str, fill: Callable[[], None]) -> None:
        self.copier, self.awaited, self.fill = copier, awaited, fill

    def on_device(self, tensors: Sequence[Tensor]) -> None:
        self._come("on_device")

    def on_processor(self) -> None:
        self._come("on_processor")

    @torch.inference_mode()
    def _come(self, name: str) -> None:
        if name != self.awaited:
            raise RuntimeError(f"{name} does not bring what {self.awaited} waits for")
        self.fill()
        self.copier.waited.append((name, threading.current_thread().name))


def unknown(x: Any) -> Tensor:
    """Return a tensor like another one, of NaN or zeros."""
    return torch.full_like(x, torch.nan) if x.is_floating_point() else torch.zeros_like(x)
