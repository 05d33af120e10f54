"""The tile loop of a run: one thread reads ahead, one computes, one writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.compute.devices import free_memory, is_out_of_memory
from engine.compute.prefetch import Prefetcher
from engine.compute.write_behind import WriteBehind
from engine.feedback import Feedback
from engine.fields.conservation import aggregate, limits, outside_bounds
from engine.fields.mean_change import MeanChange
from engine.fields.patch import Patch
from engine.fields.windows import crop
from engine.methods.interface import Method
from engine.pipeline import provenance
from engine.pipeline.estimates import Expectation, estimate
from engine.pipeline.output_files import MAIN, OutputFile
from engine.pipeline.pace import RunPace
from engine.pipeline.request import SourceReport, SuperResolveResult
from engine.pipeline.run_plan import RunPlan
from engine.pipeline.tiles import Tile, TileQueue, edge
from engine.raster.georeference import crs_wkt
from engine.raster.written.output_set import OutputSet
from engine.raster.written.raster_writer import RasterWriter
from engine.specs import TargetSpec

_BEHIND = 2  # finished tiles that wait to be written
_MEMORY_SHARE = 0.25  # of the free memory, for one tile
_MEMORY_LIMIT = 0.8  # the same where the user asks for a size


@dataclass
class _Done:
    """One finished tile on its way to the files."""

    bands: dict[str, list[Tensor]]  # (rows, cols) of the output, for each output file
    row: int
    col: int
    date: int


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
        request, grids = plan.request, plan.grids
        spec, strength = plan.choice.target, request.conservation
        self.strength = spec.strength if strength is None else strength
        self.estimate = estimate(method, spec, self.strength, request.ensemble, request.seed)
        self.residual, self.valid, self.tiles = 0.0, 0, 0
        self._beyond, self._coarse = 0.0, 0
        self.change = MeanChange(self.dates)
        device = method.device
        rows, cols = grids.coarse.shape
        memory = free_memory(device)
        shape = grids.factor, self.estimate.halo, self.estimate.bytes_per_cell
        size = edge(*shape, memory * _MEMORY_SHARE, (rows, cols))
        if request.tile:
            size = min(request.tile, edge(*shape, memory * _MEMORY_LIMIT, (rows, cols), request.tile))
            if size < min(request.tile, max(rows, cols)):
                feedback.log(f"Memory is short: tiles of {size} instead of {request.tile}.", "warning")
        self._queue = TileQueue(rows, cols, size)
        rows, cols = grids.output.shape
        bands = sum(len(file.bands) for file in plan.files)
        self._pace = RunPace(feedback, rows * cols * len(self.dates) * bands)
        self._layers, self._passed, self._begun = 0, 0, 0.0  # of the network; of those how many; of the tile

    def run(self, last: Callable[[Mapping[str, Path]], None]) -> None:
        """Write the files, all of them or none.

        `last` is called with the whole files before they get their names, and may raise to have none.
        """
        plan = self.plan
        tags = provenance.tags(plan.request, plan.choice, self.method, plan.inputs, self.strength)
        writers = {file.key: self._writer(file, tags) for file in plan.files}
        files = OutputSet(writers, self.feedback.check_cancelled, last, self._written)
        hooks = self._listen()
        try:
            with files:
                self._loop(writers)
                learned = self.sharpening()
                for writer in writers.values():
                    writer.set_tags(MSR_RESIDUAL=f"{self.residual:.6g}")
                    if learned:
                        writer.set_tags(MSR_SHARPENING=json.dumps(learned, ensure_ascii=False))
                self._written(0)
        finally:
            for hook in hooks:
                hook.remove()

    def warnings(self) -> list[str]:
        """Return what the user should know of the target's values and of the output's."""
        lines = []
        if self._beyond:
            share = self._beyond / max(self._coarse, 1)
            low, high = limits(self.plan.choice.target)
            ends = [f"{word} {end:g}" for word, end in (("below", low), ("above", high)) if end is not None]
            lines.append(
                f"target: {share:.1%} of the coarse cells are {' or '.join(ends)}, which cannot be: they "
                f"were cut off there, so their means are not kept."
            )
        if not self.valid:
            lines.append("The output holds no valid cell: check the target's band, nodata and extent.")
        return lines

    def sharpening(self) -> dict[str, Any] | None:
        """Return what a method learned and what it expects of its field, None of one that learns nothing."""
        if not isinstance(self.estimate, Expectation):
            return None
        expected = {**self.estimate.expected(), "units": self.plan.choice.target.units}
        return {**self.estimate.judge.learned, "expected": expected}

    def result(
        self,
        residual_original: float,
        sources: list[SourceReport],
        warnings: list[str],
        seconds: float,
    ) -> SuperResolveResult:
        """Return the run's result, of which the tiles' part is known here."""
        plan, (rows, cols) = self.plan, self.grids.output.shape
        main, *others = plan.files
        return SuperResolveResult(
            output=str(main.path),
            residual=self.residual,
            residual_original=residual_original,
            outside_range=max(source.outside_range for source in sources),
            covered=self.valid / (rows * cols * len(self.dates)),
            tiles=self.tiles,
            seconds=seconds,
            precision=plan.choice.precision(self.method),
            device=str(self.method.device),
            width=cols,
            height=rows,
            units=plan.choice.target.units,
            nonnegative=plan.choice.target.nonnegative,
            members=plan.request.ensemble.members if plan.request.ensemble else 0,
            outputs={file.key: str(file.path) for file in others},
            dates=[str(date) for date in self.dates if date is not None],
            sources=sources,
            warnings=warnings,
            sharpening=self.sharpening(),
            change=self.change.result(),
        )

    def _writer(self, file: OutputFile, tags: dict[str, str]) -> RasterWriter:
        rows, cols = self.grids.output.shape
        return RasterWriter(
            file.path,
            cols,
            rows,
            self.grids.output.affine,
            crs_wkt(self.grids.output),
            bands=len(self.dates) * len(file.bands),
            band_names=file.band_names(self.dates, self.plan.choice.target.name),
            band_tags=file.band_tags(self.dates),
            units=file.units,
            tags={**tags, **file.tags()},
            layout=file.layout(self.dates, self._named(), self.plan.request.aggregate),
        )

    def _named(self) -> TargetSpec:
        """Return the target, called as the variable that it comes from where nothing else names it."""
        spec, variable = self.plan.choice.target, self.plan.inputs.target.variable
        return replace(spec, name=variable) if variable and spec.name == "target" else spec

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
        self._pace.writing(files, len(self.plan.files), self.tiles)

    def _loop(self, writers: dict[str, RasterWriter]) -> None:
        write = WriteBehind(partial(self._write, writers), _BEHIND)
        with Prefetcher(self._read, self._steps) as read, write, self._stopping():
            step = 0
            self._report()
            while step < self._steps:
                self.feedback.check_cancelled()
                try:
                    done = self._compute(*self._at(step), read(step))
                except Exception as error:
                    if not is_out_of_memory(error):
                        raise
                    read.forget()
                    self.change.forget()
                    self._queue.shrink(step // len(self.dates))
                    step, read.end = 0, self._steps
                    self.feedback.log("Memory ran out: going on with smaller tiles.", "warning")
                    continue
                self._begun, self._passed = 0.0, 0
                self._report()
                if done is not None:
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

    def _read(self, step: int) -> Patch:
        tile, date = self._at(step)
        return self.plan.inputs.patch(tile, self.estimate.halo, self.dates[date])

    @staticmethod
    def _write(writers: dict[str, RasterWriter], done: _Done) -> None:
        for key, bands in done.bands.items():
            if key not in writers:
                continue
            for number, values in enumerate(bands, start=done.date * len(bands) + 1):
                writers[key].write(values.numpy(), done.row, done.col, number)

    def _compute(self, tile: Tile, date: int, patch: Patch) -> _Done | None:
        """Make one tile's fields and crop them to the output."""
        grids, k, spec = self.grids, self.grids.factor, self.plan.choice.target
        coarse = crop(patch.target, patch.halo)
        with torch.inference_mode():
            if _any_cell(coarse, patch):
                fields = self.estimate.fields(patch, self.dates[date], self._step)
            else:
                fields = self.estimate.empty(tile.rows * k, tile.cols * k)
        if self.change.measured:
            self.change.add(date, coarse[0], _means(fields.bands[MAIN][0], patch))
            if date == len(self.dates) - 1:
                self.change.keep()
        self._coarse += coarse.numel()
        self._beyond += outside_bounds(coarse, spec) * coarse.numel()
        self.residual = max(self.residual, fields.residual)
        self.tiles += 1
        top, left = tile.row * k - grids.row, tile.col * k - grids.col
        rows, cols = grids.output.shape
        r0, r1 = max(top, 0), min(top + tile.rows * k, rows)
        c0, c1 = max(left, 0), min(left + tile.cols * k, cols)
        if r0 >= r1 or c0 >= c1:
            return None
        inside = slice(r0 - top, r1 - top), slice(c0 - left, c1 - left)
        bands = {key: [values[inside] for values in stack] for key, stack in fields.bands.items()}
        self.valid += int(torch.isfinite(bands[MAIN][0]).sum())
        return _Done(bands, r0, c0, date)

    def _step(self, share: float) -> None:
        """Hear that a share of the current tile is done."""
        self.feedback.check_cancelled()
        self._begun, self._passed = share, 0
        if share < 1:
            self._report(share)

    def _report(self, begun: float = 0.0) -> None:
        """Tell the progress; `begun` is the share of the current tile that is done."""
        self._pace.tiles(self.tiles, self._queue.total * len(self.dates), begun)


def _any_cell(coarse: Tensor, patch: Patch) -> bool:
    """Return whether any cell of a patch's window gets a value."""
    inside = patch.domain is None or bool(crop(patch.domain, patch.halo, patch.factor).any())
    return inside and bool(torch.isfinite(coarse).any())


def _means(fine: Tensor, patch: Patch) -> Tensor:
    """Return the means of a tile's field, (h·k, w·k), over its coarse cells, as the target's are taken."""
    area = None
    if patch.area is not None:
        edge = patch.halo * patch.factor
        area = patch.area[:, edge : patch.area.shape[1] - edge]
    return aggregate(fine[None], patch.factor, area)[0]
