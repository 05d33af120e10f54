"""The tile loop of a run: one thread reads ahead, one computes, one writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch

from engine.compute.devices import free_memory, is_out_of_memory
from engine.compute.prefetch import Prefetcher
from engine.compute.write_behind import WriteBehind
from engine.feedback import Feedback
from engine.methods.interface import Method
from engine.pipeline import provenance
from engine.pipeline.pace import RunPace
from engine.pipeline.run_plan import RunPlan
from engine.pipeline.steps.run_totals import RunTotals
from engine.pipeline.steps.run_writers import later_tags, run_writer
from engine.pipeline.steps.step_maker import MadeStep, ReadStep, StepMaker
from engine.pipeline.tiles import TILE, TILES, Tile, TileQueue, edge
from engine.raster.written.output_set import OutputSet
from engine.raster.written.raster_writer import RasterWriter

_BEHIND = 2  # finished tiles that wait to be written
_MEMORY_SHARE = 0.25  # of the free memory, for one tile
_MEMORY_LIMIT = 0.8  # the same where the user asks for a size


class TileJob:
    """Computes and writes all tiles of a run.

    Args:
        plan: the run's parts.
        method: loaded.
        feedback: hears of the progress, and says when to stop.
    """

    def __init__(self, plan: RunPlan, method: Method, feedback: Feedback) -> None:
        self.plan, self.method, self.feedback = plan, method, feedback
        self.grids, self.dates = plan.grids, plan.dates
        self.maker = StepMaker(plan, method)
        self.totals = RunTotals(plan, method)
        rows, cols = self.grids.coarse.shape
        self._queue = TileQueue(rows, cols, tile_edge(self.maker, feedback))
        rows, cols = self.grids.output.shape
        bands = sum(len(file.bands) for file in plan.files)
        self._pace = RunPace(feedback, rows * cols * len(self.dates) * bands)
        self._layers, self._passed, self._begun = 0, 0, 0.0  # of the network; of those how many; of the tile

    def run(self, last: Callable[[Mapping[str, Path]], None]) -> None:
        """Write the files, all of them or none.

        `last` is called with the whole files before they get their names, and may raise to have none.
        """
        plan = self.plan
        tags = provenance.tags(plan, self.method)
        writers = {file.key: run_writer(plan, file, tags) for file in plan.files}
        files = OutputSet(writers, self.feedback.check_cancelled, last, self._written)
        hooks = self._listen()
        try:
            with files:
                self._loop(writers)
                for writer in writers.values():
                    writer.set_tags(**later_tags(self.totals))
                self._written(0)
        finally:
            for hook in hooks:
                hook.remove()

    def _listen(self) -> list[torch.utils.hooks.RemovableHandle]:
        """Look for a wish to stop before each layer, since one tile can take seconds."""
        module = self.method.module
        if module is None:
            return []
        hooks = [m.register_forward_pre_hook(self._layer) for m in module.modules()]
        self._layers = len(hooks)
        return hooks

    def _layer(self, *_: object) -> None:
        """Hear that a layer's turn has come."""
        self.feedback.check_cancelled()
        self._passed += 1
        fields = max(self.plan.request.ensemble.members, 1) if self.plan.request.ensemble else 1
        share = min(self._passed / self._layers, 0.95) / fields
        self._report(min(self._begun + share, 0.99))

    def _written(self, files: int) -> None:
        """Hear how many files are whole."""
        self._pace.writing(files, len(self.plan.files), self.totals.steps)

    def _loop(self, writers: dict[str, RasterWriter]) -> None:
        write = WriteBehind(partial(self._write, writers), _BEHIND)
        with Prefetcher(self._read, self._steps) as read, write, self._stopping():
            step = 0
            self._report()
            while step < self._steps:
                self.feedback.check_cancelled()
                done, short = None, False
                try:
                    done = self._compute(*self._at(step), read(step))
                except Exception as error:
                    if not is_out_of_memory(error):
                        raise
                    short = True
                if short:  # now that the error holds no tensors any more
                    read.forget()
                    self.maker.copier.forget()
                    self.totals.change.forget()
                    self._queue.shrink(step // len(self.dates))
                    step, read.end = 0, self._steps
                    self.feedback.log("Memory ran out: going on with smaller tiles.", "warning")
                    continue
                self._begun, self._passed = 0.0, 0
                self._report()
                if done is not None and done.bands:
                    write(done)
                step += 1

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        """End a read ahead when the run ends before its time."""
        try:
            yield
        except BaseException:
            self.plan.inputs.stop()
            raise

    @property
    def _steps(self) -> int:
        """How many there are to come: each tile of the queue, for each date."""
        return len(self._queue) * len(self.dates)

    def _at(self, step: int) -> tuple[Tile, int]:
        """Return a step's tile, and the number of its date."""
        tile, date = divmod(step, len(self.dates))
        return self._queue[tile], date

    def _read(self, step: int) -> ReadStep:
        tile, date = self._at(step)
        return self.maker.read(tile, date)

    @staticmethod
    def _write(writers: dict[str, RasterWriter], done: MadeStep) -> None:
        for key, bands in done.arrived().bands.items():
            if key not in writers:
                continue
            for number, values in enumerate(bands, start=done.date * len(bands) + 1):
                writers[key].write(values.numpy(), done.row, done.col, number)

    def _compute(self, tile: Tile, date: int, read: ReadStep) -> MadeStep | None:
        """Make one tile's fields, and count it."""
        made = self.maker.make(tile, date, read, self._step)
        self.totals.add(date, made.account)
        return made

    def _step(self, share: float) -> None:
        """Hear that a share of the current tile is done."""
        self.feedback.check_cancelled()
        self._begun, self._passed = share, 0
        if share < 1:
            self._report(share)

    def _report(self, begun: float = 0.0) -> None:
        """Tell the progress; `begun` is the share of the current tile that is done."""
        self._pace.tiles(self.totals.steps, self._queue.total * len(self.dates), begun)


def tile_edge(maker: StepMaker, feedback: Feedback, processes: int = 1) -> int:
    """Return the edge of a run's tiles in coarse cells: as asked for, or by the memory that is free.

    Args:
        maker: of its steps.
        feedback: hears where memory is short.
        processes: that share the memory.
    """
    plan, made = maker.plan, maker.estimate
    rows, cols = plan.grids.coarse.shape
    device, asked = maker.method.device, plan.request.tile
    memory = min(free_memory(place) for place in {device, torch.device("cpu")})  # which holds the tile, too
    shape = plan.grids.factor, made.halo, made.bytes_per_cell
    size = edge(*shape, memory * _MEMORY_SHARE, (rows, cols), tile=TILES.get(device.type, TILE))
    if asked:
        size = min(asked, edge(*shape, memory * _MEMORY_LIMIT, (rows, cols), asked))
        if size < min(asked, max(rows, cols)):
            feedback.log(f"Memory is short: tiles of {size} instead of {asked}.", "warning")
    shared = edge(*shape, memory * _MEMORY_LIMIT / processes, (rows, cols), size)
    if processes > 1 and shared < size:
        feedback.log(
            f"Memory is short for {processes} processes: tiles of {shared} instead of {size}, so the result "
            "is that of one process to rounding.",
            "warning",
        )
        return shared
    return size
