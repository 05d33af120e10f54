"""One part of a run, made by whichever process: computed, written into the stores, accounted for."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.cluster.part_store import Chunk, PartArray
from engine.cluster.step_job import OPEN_JOBS, StepJob
from engine.compute.devices import PrecisionPlan, choose_device
from engine.errors import EngineError
from engine.feedback import Silent
from engine.files.system_errors import is_disk_full
from engine.pipeline.method_choice import ModelCache, choose
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.steps.step_account import StepAccount
from engine.version import VERSION

ROOM = 2**24  # bytes that stay free on the disk
FULL = "The disk of {folder} is full, or nearly so"


@dataclass
class PartJob:
    """A run in parts as it is handed to other processes.

    Attributes:
        step: makes its tiles.
        folder: that holds its stores.
        arrays: where the bands of each output file go.
        dates: how many there are.
        shift: rows and columns of the stores before the output's first cell.
        version: of the engine.
    """

    step: StepJob
    folder: str
    arrays: Mapping[str, PartArray]
    dates: int
    shift: tuple[int, int] = (0, 0)
    version: str = VERSION

    @property
    def token(self) -> str:
        """Names it among all."""
        return self.step.token

    def make(self, number: int) -> PartDone:
        """See `make_part`."""
        return make_part(self, number)

    def forget(self) -> None:
        """Close what this process has open for it."""
        OPEN_JOBS.forget(self.step.token)


@dataclass(frozen=True)
class PartDone:
    """A part that is made.

    Attributes:
        number: tile · dates + date.
        account: of its step.
        chunks: that were written, of each output file; none of what holds no value.
    """

    number: int
    account: StepAccount
    chunks: Mapping[str, list[Chunk]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"part": self.number, "account": self.account.to_json(), "chunks": dict(self.chunks)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PartDone:
        """Return what `to_json` told."""
        chunks = {key: [tuple(chunk) for chunk in each] for key, each in data["chunks"].items()}
        return cls(data["part"], StepAccount.from_json(data["account"]), chunks)


def make_part(job: PartJob, number: int) -> PartDone:
    """Make and write a part.

    Raises:
        EngineError: the disk is full, or this process has another engine.
        InputError: a raster cannot be read.
    """
    if job.version != VERSION:
        raise EngineError(
            f"A worker has the engine {VERSION}, but the run is of {job.version}: start all workers with the "
            "same Python environment."
        )
    full = FULL.format(folder=job.folder)
    if free_bytes(job.folder) < ROOM:
        raise EngineError(full)
    tile, date = divmod(number, job.dates)
    made = OPEN_JOBS.make(job.step, tile, date)
    chunks: dict[str, list[Chunk]] = {}
    if made.empty:
        return PartDone(number, made.account, chunks)
    row, col = made.row + job.shift[0], made.col + job.shift[1]
    try:
        for key, array in job.arrays.items():
            stack = made.bands.get(key, [])
            written = [
                array.write(date * len(stack) + i, row, col, values.numpy()) for i, values in enumerate(stack)
            ]
            chunks[key] = [chunk for chunk in written if chunk is not None]
    except OSError as error:
        if is_disk_full(error):
            raise EngineError(full) from error
        raise
    return PartDone(number, made.account, chunks)


def free_bytes(folder: str) -> int:
    """Return the bytes that are free on a folder's disk."""
    return shutil.disk_usage(folder).free


def settle(request: SuperResolveRequest, threads: int) -> tuple[str, PrecisionPlan | None]:
    """Return the device, and the precision and layout, that a run takes on the machine of this process."""
    import torch

    torch.set_num_threads(threads)
    choice, target = choose(request)
    target.close()
    if choice.package is None:
        return "cpu", None
    method = ModelCache().method(choice, request, Silent())
    return str(choose_device(request.device)), method.plan
