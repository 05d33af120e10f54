"""A run in parts: made side by side, kept as they come, gone on with after a stop, joined in the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from engine.cluster.finished_files import FinishedFiles
from engine.cluster.makers import Makers, OwnProcess
from engine.cluster.part_store import zarr_3
from engine.cluster.part_task import ROOM, PartDone, PartJob
from engine.cluster.parts_folder import PartsFolder, RunFacts
from engine.cluster.parts_request import PartsRequest
from engine.cluster.portable_request import portable
from engine.cluster.run_stores import RunStores
from engine.cluster.step_job import StepJob
from engine.compute.cards import shared_device
from engine.compute.devices import PrecisionPlan
from engine.errors import Cancelled, EngineError, InputError
from engine.feedback import Feedback
from engine.files.free_disk import check_free
from engine.files.system_errors import is_disk_full, told_of
from engine.methods.interface import FittedMethod, Method
from engine.pipeline import provenance
from engine.pipeline.kept_inputs import output_label
from engine.pipeline.method_choice import Choice, ModelCache
from engine.pipeline.pace import RunPace
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.run_plan import RunPlan
from engine.pipeline.steps.input_counts import add_counts
from engine.pipeline.steps.run_totals import RunTotals
from engine.pipeline.steps.step_maker import StepMaker
from engine.pipeline.tile_loop import tile_edge
from engine.pipeline.tiles import TileQueue
from engine.raster.grids import check_size
from engine.raster.written.output_set import OutputSet
from engine.raster.written.raster_writer import disk_needed

_OF_PARTS = (("zarr", "the format of Zarr"), ("dates", "the dates"))  # what parts tell beside a run's tags


class PlanningModels(ModelCache):
    """Loads models for what is asked of them before a run: on the processor, without a measurement."""

    def method(
        self,
        choice: Choice,
        request: SuperResolveRequest,
        feedback: Feedback,
        plan: PrecisionPlan | None = None,
    ) -> Method:
        """See `ModelCache.method`."""
        return super().method(choice, replace(request, device="cpu"), feedback, PrecisionPlan())


class PartsRun:
    """Makes and writes all parts of a run.

    Args:
        wanted: how.
        plan: the run's parts.
        method: loaded, and fitted if it learns from the run.
        feedback: hears of the progress, and says when to stop.
    """

    def __init__(self, wanted: PartsRequest, plan: RunPlan, method: Method, feedback: Feedback) -> None:
        self.wanted, self.plan, self.method, self.feedback = wanted, plan, method, feedback
        self.totals = RunTotals(plan, method)
        self._maker = StepMaker(plan, method)
        self._folder = PartsFolder(plan.files[0].path)
        self._made = 0  # parts, by this process and its cluster

    def run(self, last: Callable[[Mapping[str, Path]], None]) -> None:
        """Write the files, all of them or none; see `TileJob.run`.

        Raises:
            EngineError: tells what went wrong, and which parts are kept for the next time.
        """
        folder = self._folder
        kept = folder.facts()
        if kept is not None and not self.wanted.resume:
            raise InputError(
                f"{folder.path} holds the parts of an earlier run for this output: go on with them by "
                "--resume, or remove it."
            )
        zarr_3()
        with ExitStack() as stack:
            makers = stack.enter_context(self._makers(kept))
            facts = kept or self._settled(makers)
            self._check_same(facts)
            self._tell_untold(facts)
            self._check_room(facts)
            stores = RunStores(self.plan, self.wanted.format, folder, facts)
            with told_of(folder.path):
                stack.enter_context(folder.owned())
                self._begin(stores, facts, kept)
            self._report_kept(folder.take_up(), facts)
            try:
                self._make(makers, stores, facts)
                self._check_inputs(facts)
                self._sum_up(facts)
                self._finish(stores, last)
            except BaseException as error:
                self._tell_kept(error, facts)
                raise
        folder.remove()

    def _begin(self, stores: RunStores, facts: RunFacts, kept: RunFacts | None) -> None:
        """Make the stores, where there are none to go on with.

        Raises:
            InputError: the folder is not as it was before it was owned.
        """
        if self._folder.facts() != kept:
            raise InputError(
                f"Another process was at work in {self._folder.path} just now: repeat the command."
            )
        if kept is not None and stores.are_there:
            return
        if kept is not None:
            told = f"{self._folder.path} is not whole: all parts are made again."
            self.feedback.log(told, "warning")
        stores.create()
        self._folder.begin(facts)

    def _makers(self, kept: RunFacts | None) -> Makers:
        if self.wanted.cluster is None:
            return OwnProcess(self.feedback)
        from engine.cluster.on_cluster import OnCluster

        self.feedback.progress(0.01, "Starting the workers")
        return OnCluster(self.wanted, self._threads(kept), self.feedback)

    def _threads(self, kept: RunFacts | None) -> int:
        return torch.get_num_threads() if kept is None else kept.threads

    def _settled(self, makers: Makers) -> RunFacts:
        """Settle with whoever makes the parts what holds for all of them."""
        request = portable(self.plan.request, self.plan.choice)
        device, pinned = makers.settle(request, torch.get_num_threads())
        plan, maker = self.plan, self._maker
        edge = tile_edge(maker, self.feedback, makers.processes)
        rows, cols = plan.grids.coarse.shape
        tags = provenance.tags(plan, self.method)
        tags["MSR_DEVICE"] = device
        tags["MSR_PRECISION"] = (pinned or PrecisionPlan()).precision
        total = len(TileQueue(rows, cols, edge)) * len(plan.dates)
        return RunFacts(self._identity(), edge, torch.get_num_threads(), device, pinned, tags, total)

    def _identity(self) -> dict[str, Any]:
        """Return what makes a run the same run: all that decides its cells and its files."""
        dates = [str(when) for when in self.plan.dates]
        stores = any(file.path.suffix.lower() == ".zarr" for file in self.plan.files)
        return {**provenance.run_tags(self.plan), "dates": dates, "zarr": self.wanted.format if stores else 0}

    def _check_same(self, facts: RunFacts) -> None:
        """Refuse to go on with the parts of another run.

        Raises:
            InputError: names what is not as it was.
        """
        now, then = self._identity(), facts.identity
        own = next((told for name, told in _OF_PARTS if now[name] != then.get(name)), None)
        if told := own or provenance.difference(now, then):
            raise InputError(
                f"{self._folder.path} holds the parts of another run, {told} was another one: repeat the "
                "command as it was, or remove the folder."
            )

    def _check_inputs(self, facts: RunFacts) -> None:
        """Refuse to join parts during whose making a file was replaced; servers are asked in the very end.

        Raises:
            InputError: an input is not as it was when the run began.
        """
        if told := provenance.difference(self._identity(), facts.identity):
            raise InputError(
                f"While the parts in {self._folder.path} were made, {told} became another one: remove the "
                "folder and begin again, or bring back what there was."
            )

    def _tell_untold(self, facts: RunFacts) -> None:
        """Say which inputs nothing tells of whether they change."""
        if silent := provenance.untold_inputs(facts.identity):
            self.feedback.log(
                f"Nothing tells whether {' and '.join(silent)} will have changed when the run goes on by "
                "--resume: it trusts that it has not.",
                "warning",
            )

    def _check_room(self, facts: RunFacts) -> None:
        """Refuse before long work what does not fit on a disk; the parts that are there are there already."""
        plan = self.plan
        rows, cols = plan.grids.output.shape
        needed = ROOM - (self._folder.size() if self._folder.path.exists() else 0)
        for file in plan.files:
            bands = len(plan.dates) * len(file.bands)
            check_size(cols, rows, output_label(file), bands)
            needed += 4 * rows * cols * bands
            if file.path.suffix.lower() != ".zarr" or self.wanted.format == 2:
                needed += disk_needed(cols, rows, bands)
        check_free("The output", needed, self._folder.path.parent, "a smaller extent")

    def _make(self, makers: Makers, stores: RunStores, facts: RunFacts) -> None:
        plan, done = self.plan, self._folder.done
        fitted = self.method if isinstance(self.method, FittedMethod) else None
        device = shared_device(plan.request.device, facts.device)
        request = replace(portable(plan.request, plan.choice), device=device)
        seen = facts.identity["MSR_INPUTS"]
        step = StepJob(request, facts.edge, facts.plan, facts.threads, fitted, plan.inputs.correction, seen)
        job = PartJob(step, str(self._folder.path), stores.arrays, len(plan.dates), stores.shift)
        rows, cols = plan.grids.output.shape
        bands = sum(len(file.bands) for file in plan.files)
        pace = RunPace(self.feedback, rows * cols * len(plan.dates) * bands)
        rest = [number for number in range(facts.total) if number not in done]

        def heard(part: PartDone) -> None:
            self._folder.add(part)
            self._made += 1
            pace.tiles(self._made, len(rest))

        pace.tiles(0, len(rest))
        makers.make(job, rest, heard)
        self._pace = pace

    def _sum_up(self, facts: RunFacts) -> None:
        """Add the parts' accounts in the order of one process, in which sums of floats are the same."""
        dates = len(self.plan.dates)
        for part in self._folder.parts():
            self.totals.add(part.number % dates, part.account)
            add_counts(self.plan.inputs, part.account.counts)
        self.totals.device = facts.device
        self.totals.precision = (facts.plan or PrecisionPlan()).precision

    def _finish(self, stores: RunStores, last: Callable[[Mapping[str, Path]], None]) -> None:
        """Make the output files of the stores."""
        writers = FinishedFiles(stores, self.totals)
        made = self._made

        def written(files: int) -> None:
            self._pace.writing(files, len(writers), made)

        with OutputSet(writers.files, self.feedback.check_cancelled, last, written):
            writers.fill(self.feedback.check_cancelled)
            written(0)

    def _report_kept(self, lost: int, facts: RunFacts) -> None:
        done = len(self._folder.done)
        if done:
            self.feedback.log(f"Going on: {done} of {facts.total} parts are done already.")
        if lost:
            self.feedback.log(f"{lost} parts were damaged and are made again.", "warning")

    def _tell_kept(self, error: BaseException, facts: RunFacts) -> None:
        """Say which parts are kept.

        Raises:
            EngineError: the error, with that in its sentence.
        """
        kept = f"{len(self._folder.done)} of {facts.total} parts are kept in {self._folder.path}"
        again = "repeat the command with --resume to go on"
        if isinstance(error, Cancelled) or not isinstance(error, Exception):
            self.feedback.log(f"{kept}: {again}.", "warning")
        elif is_disk_full(error):
            raise EngineError(
                f"The disk of {self._folder.path} is full: {kept}; make room and {again}."
            ) from error
        elif type(error) is EngineError:
            sentence = str(error).rstrip(".")
            raise EngineError(f"{sentence}; {kept}: {again}.") from error
        else:
            self.feedback.log(f"{kept}: {again}.", "warning")
