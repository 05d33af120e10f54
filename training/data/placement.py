"""Where a training computes: the device of this process, and how batches and patches come to it.

Data are read, cut and made features of on the processor, ahead of the steps and in a thread of their own;
networks, losses, conservation and their optimisers live on the device.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from engine.compute.devices import choose_device
from engine.compute.memory import is_out_of_memory
from engine.errors import InputError, OutOfMemoryError
from engine.fields.patch import STAY
from training.schema.config import Config

Held = TypeVar("Held")


def training_device(name: str) -> torch.device:
    """Return the device that this process trains on.

    Of the processes that torchrun starts on one machine each gets a GPU of its own.

    Args:
        name: auto, cpu, cuda, cuda:N or mps, as a configuration says it.

    Raises:
        InputError: there is no such device here, or not one for each process.
    """
    device = choose_device(name)
    count = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if device.type == "cpu" or count < 2:
        return device
    if device.type != "cuda":
        raise InputError(f"{count} processes cannot share {device}: start one, or say --device cpu.")
    if ":" in name:
        raise InputError(
            f"device: {name} is one GPU for {count} processes: write cuda, and each gets its own."
        )
    gpus = torch.cuda.device_count()
    if count > gpus:
        raise InputError(
            f"{count} processes want a GPU each and there are {gpus}: start as many, or say --device cpu."
        )
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


class Carrier:
    """Brings batches to a device; on the processor they are left as they are.

    To CUDA they go from page-locked memory in a stream of their own, beside what the device computes, and
    have arrived when the call returns: it is for the thread that makes batches ahead.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def __call__(self, held: Held) -> Held:
        """Return a dataclass of tensors, dictionaries of them and other such dataclasses on the device.

        Where windows lie stays on the processor, which draws their noise by it.
        """
        if self.device.type == "cpu":
            return held
        stream = self._stream
        if stream is None:
            return _each(held, lambda x: x.to(self.device))

        def copied(x: Tensor) -> Tensor:
            there = x.pin_memory().to(self.device, non_blocking=True)
            # Its memory must not be given to a later batch while a step still reads it.
            there.record_stream(torch.cuda.default_stream(self.device))
            return there

        with torch.cuda.stream(stream):
            moved = _each(held, copied)
        stream.synchronize()
        return moved


def _each(held: Any, move: Callable[[Tensor], Tensor]) -> Any:
    """Return what is held with every tensor moved but the processor's own numbers."""
    if isinstance(held, Tensor):
        return move(held)
    if isinstance(held, dict):
        return {name: _each(value, move) for name, value in held.items()}
    if is_dataclass(held) and not isinstance(held, type):
        names = [f.name for f in fields(held) if f.name not in STAY]
        return replace(held, **{name: _each(getattr(held, name), move) for name in names})
    return held


@contextlib.contextmanager
def enough_memory(config: Config, device: torch.device, saved: int = 0) -> Iterator[None]:
    """Say what to make smaller where a step's memory runs out, and where the run can go on.

    Args:
        config: of the run.
        device: that computes.
        saved: steps that the run's checkpoint holds, which stays as it is.

    Raises:
        OutOfMemoryError: it did.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        sampling = config.sampling
        name = "this machine" if device.type == "cpu" else f"the device {device}"
        resume = f", or free memory and go on from step {saved} with --resume" if saved else ""
        raise OutOfMemoryError(
            f"The memory of {name} ran out in a step of {sampling.batch} windows of {sampling.size} × "
            f"{sampling.size} coarse cells: lower sampling.batch or sampling.size{resume}."
        ) from error
