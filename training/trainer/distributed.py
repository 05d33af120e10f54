"""Several processes train one model through PyTorch's DistributedDataParallel, as `torchrun` starts them.

Each takes its share of every batch; gradients are averaged. Losses are means over valid cells, and
the shares may hold different numbers of these: so a share's sum is divided by the mean number per
process (`mean_count`), and the average over processes is what one process would find in the whole
batch. Batches, rates and seeds depend on the step's number alone and need no talk.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from engine.errors import InputError

PATIENCE = dt.timedelta(hours=6)  # the others wait for the first while it validates

Item = TypeVar("Item")


@dataclass(frozen=True)
class Processes:
    """This process's number, from 0, and how many there are."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes, validates and reports."""
        return self.rank == 0


_working_alone = False


def processes() -> Processes:
    """Return the processes that work together; one, where no group was joined or all work alone."""
    if _working_alone or not distributed.is_available() or not distributed.is_initialized():
        return Processes()
    return Processes(distributed.get_rank(), distributed.get_world_size())


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[Processes]:
    """Join the processes that torchrun has started, over gloo on processors and NCCL on GPUs.

    Without torchrun, or with one process, nothing is joined.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield Processes()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)  # what NCCL moves things with
        distributed.init_process_group("nccl", timeout=PATIENCE, device_id=device)
    else:
        distributed.init_process_group("gloo", timeout=PATIENCE)
    try:
        yield processes()
    finally:
        distributed.destroy_process_group()


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Let each process work for itself, e.g. where they do not all do the same."""
    global _working_alone  # noqa: PLW0603
    before, _working_alone = _working_alone, True
    try:
        yield
    finally:
        _working_alone = before


def share(items: Sequence[Item]) -> list[Item]:
    """Return this process's items of a batch: every n-th of them."""
    now = processes()
    return list(items[now.rank :: now.count])


def check(batch: int, networks: Sequence[nn.Module]) -> None:
    """Check that processes can train these networks as one process would.

    Raises:
        InputError: a process would have no window of a batch, or statistics of a batch are normalised by.
    """
    count = processes().count
    if batch < count:
        raise InputError(f"sampling.batch: {batch} windows cannot be shared by {count} processes.")
    normed = any(isinstance(m, nn.modules.batchnorm._BatchNorm) for n in networks for m in n.modules())
    if count > 1 and normed:
        raise InputError(
            "network.kind: batch normalisation would see each process's share alone: train in one process."
        )


def parallel(network: nn.Module, unused: bool = False) -> nn.Module:
    """Return the network with gradients averaged over processes; itself, in one process.

    Buffers (of the spectral norm) are those of the first process.

    Args:
        network: to be trained.
        unused: whether some weights may have no gradient in a step (those of a withheld source); they
            have none after averaging either, as in one process.
    """
    if processes().count == 1:
        return network
    return DistributedDataParallel(network, find_unused_parameters=unused)


def mean_count(count: Tensor) -> Tensor:
    """Return the mean over processes of a number of cells, of at least one cell in all."""
    now = processes()
    if now.count == 1:
        return count.clamp_min(1)
    total = count.detach().to(torch.float64)
    distributed.all_reduce(total)
    return (total.clamp_min(1) / now.count).to(torch.float32)


def mean(values: Tensor) -> Tensor:
    """Return the mean of values, of which each process has its share; see `mean_count`."""
    if processes().count == 1:
        return values.mean()
    return values.sum() / mean_count(torch.tensor(values.numel(), device=values.device))


def averaged(values: Tensor) -> Tensor:
    """Return the mean over processes, without gradient."""
    now, values = processes(), values.detach()
    if now.count == 1:
        return values
    total = values.clone()
    distributed.all_reduce(total)
    return total / now.count


def of_first(numbers: Sequence[int], device: torch.device) -> list[int]:
    """Return the numbers that the first process has, in all of them."""
    if processes().count == 1:
        return list(numbers)
    told = torch.tensor(list(numbers), device=device)
    distributed.broadcast(told, 0)
    return told.tolist()
