"""Copies between the processor and a device, beside the device's computing.

On CUDA two more streams, one for each direction, copy to and from pinned memory: the next tile goes up and
the last one comes down while this one is computed. Whoever uses a copy waits for it first: the device's own
queue for what goes up, the processor for what comes down. Elsewhere a copy is there when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor


class Arrival(Protocol):
    """When copies that were begun together are there."""

    def on_device(self, tensors: Sequence[Tensor]) -> None:
        """Let what the device computes from now on wait for them; the tensors were copied up."""

    def on_processor(self) -> None:
        """Wait for them."""


class Copier(Protocol):
    """Begins copies, of which several may be under way."""

    def up(self, tensors: Sequence[Tensor]) -> tuple[list[Tensor], Arrival]:
        """Copy the processor's tensors to the device."""

    def down(self, tensors: Sequence[Tensor]) -> tuple[list[Tensor], Arrival]:
        """Copy to the processor what the device has been told to compute so far."""

    def forget(self) -> None:
        """Give back the memory of the device that nothing needs any more, as after it ran out."""


class _There:
    """Of copies that are there already."""

    def on_device(self, tensors: Sequence[Tensor]) -> None:
        """Nothing is to wait for."""

    def on_processor(self) -> None:
        """Nothing is to wait for."""


THERE: Arrival = _There()


class PlainCopier:
    """Copies at once.

    Args:
        device: to and from which.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def up(self, tensors: Sequence[Tensor]) -> tuple[list[Tensor], Arrival]:
        """See `Copier.up`."""
        return [tensor.to(self.device) for tensor in tensors], THERE

    def down(self, tensors: Sequence[Tensor]) -> tuple[list[Tensor], Arrival]:
        """See `Copier.down`."""
        return [tensor.to("cpu") for tensor in tensors], THERE

    def forget(self) -> None:
        """See `Copier.forget`."""
        if self.device.type == "mps":
            torch.mps.empty_cache()


class _CudaArrival:
    """Copies of a stream up to an event in it."""

    def __init__(self, event: torch.cuda.Event, device: torch.device) -> None:
        self._event, self._device = event, device

    def on_device(self, tensors: Sequence[Tensor]) -> None:
        """See `Arrival.on_device`."""
        computing = torch.cuda.current_stream(self._device)
        computing.wait_event(self._event)
        for tensor in tensors:  # whose memory must not go to another copy before it was used
            tensor.record_stream(computing)

    def on_processor(self) -> None:
        """See `Arrival.on_processor`."""
        self._event.synchronize()


class CudaCopier:
    """Copies in streams of their own.

    Args:
        device: a CUDA device.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._up, self._down = torch.cuda.Stream(device), torch.cuda.Stream(device)

    def up(self, tensors: Sequence[Tensor]) -> tuple[list[Tensor], Arrival]:
        """See `Copier.up`."""
        with torch.cuda.stream(self._up):
            made = [tensor.pin_memory().to(self.device, non_blocking=True) for tensor in tensors]
            return made, self._arrival(self._up)

    def down(self, tensors: Sequence[Tensor]) -> tuple[list[Tensor], Arrival]:
        """See `Copier.down`."""
        self._down.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self._down):
            made = []
            for tensor in tensors:
                place = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
                made.append(place.copy_(tensor, non_blocking=True))
                tensor.record_stream(self._down)
            return made, self._arrival(self._down)

    def forget(self) -> None:
        """See `Copier.forget`."""
        torch.cuda.synchronize(self.device)
        torch.cuda.empty_cache()

    def _arrival(self, stream: torch.cuda.Stream) -> _CudaArrival:
        event = torch.cuda.Event()
        event.record(stream)
        return _CudaArrival(event, self.device)


COPIERS: dict[str, Callable[[torch.device], Copier]] = {"cuda": CudaCopier}  # of kinds of device


def copier_for(device: torch.device) -> Copier:
    """Return what copies to and from a device."""
    return COPIERS.get(device.type, PlainCopier)(device)
