"""All that a process must be told to make any step of a run by itself, and the runs that it has open."""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from contextlib import ExitStack
from dataclasses import replace

import torch

from engine.bias.correction import BiasCorrection
from engine.compute.devices import PrecisionPlan
from engine.compute.memory import is_out_of_memory
from engine.feedback import Silent
from engine.methods.interface import Method
from engine.pipeline.method_choice import ModelCache
from engine.pipeline.provenance import check_seen
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.run_plan import RunPlan, prepare
from engine.pipeline.steps.input_counts import counts_of, counts_since
from engine.pipeline.steps.joined_steps import joined
from engine.pipeline.steps.step_maker import MadeStep, StepMaker
from engine.pipeline.tiles import Tile, TileQueue

_KEPT = 4  # runs that stay open in a process: as many as one graph of Dask often makes chunks of in turns


class StepJob:
    """A run as it is handed to other processes.

    A plain class: Dask looks into others for arrays of its own, which would be computed as a whole.

    Args:
        request: of the run; its device is the one that the steps run on.
        edge: of a tile, coarse cells.
        plan: precision and layout of the network, None of a method without one.
        threads: of the processor that one step takes; networks round differently with others.
        learned: the method, where it has learned from the run's own field.
        correction: of the target, where it has seen the run's dates.
        inputs: what the rasters are, see `engine.pipeline.provenance.check_seen`; "": whatever is there.

    Attributes:
        token: names it among all.
    """

    def __init__(
        self,
        request: SuperResolveRequest,
        edge: int,
        plan: PrecisionPlan | None = None,
        threads: int | None = None,
        learned: Method | None = None,
        correction: BiasCorrection | None = None,
        inputs: str = "",
    ) -> None:
        self.request, self.edge, self.plan = request, edge, plan
        self.threads = torch.get_num_threads() if threads is None else threads
        self.learned, self.correction, self.inputs = learned, correction, inputs
        self.token = uuid.uuid4().hex

    def with_learned(self, learned: Method | None, correction: BiasCorrection | None) -> StepJob:
        """Return the job, as another one, with what it has learned."""
        return StepJob(self.request, self.edge, self.plan, self.threads, learned, correction, self.inputs)


class OpenJob:
    """A job whose rasters are open and whose method is loaded, to make steps of.

    Args:
        job: what to do.
        models: keeps methods loaded from job to job.
    """

    def __init__(self, job: StepJob, models: ModelCache) -> None:
        self.job, self._stack = job, ExitStack()
        torch.set_num_threads(job.threads)
        try:
            self.plan: RunPlan = self._stack.enter_context(prepare(job.request, outputs="none"))
            if job.inputs:
                check_seen(self.plan, job.inputs)
            if job.correction is not None:
                self.plan.inputs.correction = job.correction
            method = job.learned or models.method(self.plan.choice, job.request, Silent(), job.plan)
            self.maker = StepMaker(self.plan, method)
        except BaseException:
            self._stack.close()
            raise
        rows, cols = self.plan.grids.coarse.shape
        self.tiles = TileQueue(rows, cols, job.edge)

    def make(self, tile: int, date: int) -> MadeStep:
        """Read and make the tile of that number at the date of that number."""
        torch.set_num_threads(self.job.threads)  # each thread has its own number
        return self._make(self.tiles[tile], date)

    def _make(self, tile: Tile, date: int) -> MadeStep:
        before = counts_of(self.plan.inputs)
        made = None
        try:
            made = self.maker.make(tile, date, self.maker.read(tile, date)).arrived()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        if made is None:  # now that the error holds no tensors any more
            self.maker.copier.forget()
            return joined([self._make(part, date) for part in tile.split()])
        counts = counts_since(before, self.plan.inputs)
        return replace(made, account=replace(made.account, counts=counts))

    def close(self) -> None:
        """Close its rasters."""
        self._stack.close()


class OpenJobs:
    """The jobs that a process has open; one step is made at a time, with all threads that it may take.

    Attributes:
        opened: how many were opened so far.
    """

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, OpenJob] = OrderedDict()
        # Whose steps are being made, one within the other: a target may be lazy too.
        self._busy: list[str] = []
        self._models = ModelCache()
        self._lock = threading.RLock()
        self.opened = 0

    def make(self, job: StepJob, tile: int, date: int) -> MadeStep:
        """Make a step of a job, which is opened first where it is not open."""
        with self._lock:
            opened = self._open(job)
            self._busy.append(job.token)
            try:
                return opened.make(tile, date)
            finally:
                self._busy.pop()

    def forget(self, token: str) -> None:
        """Close a job, if it is open."""
        with self._lock:
            if token in self._jobs:
                self._jobs.pop(token).close()

    def _open(self, job: StepJob) -> OpenJob:
        if job.token not in self._jobs:
            idle = [token for token in self._jobs if token not in self._busy]
            for token in idle[: max(0, len(self._jobs) - _KEPT + 1)]:
                self._jobs.pop(token).close()
            self._jobs[job.token] = OpenJob(job, self._models)
            self.opened += 1
        self._jobs.move_to_end(job.token)
        return self._jobs[job.token]


OPEN_JOBS = OpenJobs()  # of this process
