"""The pipeline: plan → read → predict → conserve → write, tile by tile, in bounded memory."""

from __future__ import annotations

import os
import shutil
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from engine import provenance
from engine.conservation import aggregate, conserve, limits, outside_bounds
from engine.dates import When
from engine.devices import free_memory, is_out_of_memory
from engine.errors import InputError
from engine.grids import Grids, plan
from engine.inputs import Inputs
from engine.methods import Method
from engine.model_cache import Choice, ModelCache, choose
from engine.patch import Patch
from engine.progress import Feedback
from engine.raster_output import CogWriter, disk_needed
from engine.request import SuperResolveRequest, SuperResolveResult, output_path
from engine.residual import against_original
from engine.sources import Raster, same_file
from engine.tiles import Tile, TileQueue, edge

_AHEAD = 2  # tiles read before they are needed
_MEMORY_SHARE = 0.25  # of the free memory, for one tile
_MEMORY_LIMIT = 0.8  # the same where the user asks for a size


def super_resolve(
    request: SuperResolveRequest, feedback: Feedback, cache: ModelCache | None = None
) -> SuperResolveResult:
    """Downscale one raster: run a model or a baseline and write the fine raster.

    Args:
        request: what to do.
        feedback: hears of the progress, and says when to stop.
        cache: keeps models loaded between calls.

    Raises:
        InputError: the request or a raster is wrong; nothing was written.
        Cancelled: the user stopped it; nothing stays under the output's name.
        OutOfMemoryError: even one coarse cell does not fit into memory.
    """
    started = time.monotonic()
    feedback.progress(0.0, "Checking the inputs")
    output = _checked_output(request)
    choice = choose(request)
    target = Raster(request.target, "target", choice.units)
    inputs = None
    try:
        choice = choice.for_target(target, request.quantity)
        grids = plan(target, choice.factor, request.grid)
        inputs = Inputs(target, choice.target, choice.sources, request.sources, choice.shipped, grids)
        choice.check(inputs.names)
        whens = inputs.wanted_dates(request.date, request.all_dates)
        _check_season(choice, whens)
        _check_disk(output, grids, len(whens))
        warnings = _warnings(choice, grids, inputs)
        feedback.check_cancelled()
        feedback.progress(0.01, "Loading the model")
        method = (cache or ModelCache()).method(choice, request, feedback)
        job = _Job(request, method, choice, grids, inputs, whens, feedback)
        job.run(output)
        reports = inputs.reports()
    finally:
        (inputs or target).close()
    residual_original = job.residual
    if not grids.target_cells:
        feedback.progress(0.99, "Comparing with the original raster")
        try:
            residual_original = against_original(request, choice.units, output, whens, feedback)
        except BaseException:  # cancelled, most likely: then nothing may stand there
            output.unlink(missing_ok=True)
            raise
    warnings += job.warnings()
    if not job.valid:
        warnings.append("The output holds no valid cell: check the target's band, nodata and extent.")
    warnings += [
        f"{r.name}: {r.outside_range:.1%} of the cells are outside the range seen in training."
        for r in reports
        if r.outside_range > 0.001
    ]
    for line in warnings:
        feedback.log(line, "warning")
    rows, cols = grids.output.shape
    feedback.progress(1.0, "Done", job.tiles, job.tiles, 0.0)
    return SuperResolveResult(
        output=str(output),
        residual=job.residual,
        residual_original=residual_original,
        outside_range=max(r.outside_range for r in reports),
        covered=job.valid / (rows * cols * len(whens)),
        tiles=job.tiles,
        seconds=time.monotonic() - started,
        precision=choice.precision(method),
        device=str(getattr(method, "device", "cpu")),
        width=cols,
        height=rows,
        dates=[str(w) for w in whens if w is not None],
        sources=reports,
        warnings=warnings,
    )


@dataclass
class _Done:
    """One finished tile on its way to the file."""

    values: Tensor  # (rows, cols) of the output
    row: int
    col: int
    band: int


class _Job:
    """The tile loop: one thread reads ahead, this one computes, one writes."""

    def __init__(
        self,
        request: SuperResolveRequest,
        method: Method,
        choice: Choice,
        grids: Grids,
        inputs: Inputs,
        whens: list[When | None],
        feedback: Feedback,
    ) -> None:
        self.request, self.method, self.choice = request, method, choice
        self.grids, self.inputs, self.whens, self.feedback = grids, inputs, whens, feedback
        strength = request.conservation
        self.strength = choice.target.strength if strength is None else strength
        self.residual, self.valid, self.tiles = 0.0, 0, 0
        self._beyond, self._coarse = 0.0, 0
        device = getattr(method, "device", torch.device("cpu"))
        rows, cols = grids.coarse.shape
        memory, cost = free_memory(device), getattr(method, "bytes_per_cell", 160)
        shape = grids.factor, method.halo, cost
        size = edge(*shape, memory * _MEMORY_SHARE, (rows, cols))
        if request.tile:
            size = min(request.tile, edge(*shape, memory * _MEMORY_LIMIT, (rows, cols), request.tile))
            if size < min(request.tile, max(rows, cols)):
                feedback.log(f"Memory is short: tiles of {size} instead of {request.tile}.", "warning")
        self._queue = TileQueue(rows, cols, size)
        self._started = time.monotonic()

    def run(self, output: Path) -> None:
        """Write the output, all of it or nothing."""
        rows, cols = self.grids.output.shape
        spec = self.choice.target
        writer = CogWriter(
            output,
            cols,
            rows,
            self.grids.output.affine,
            self.grids.output.crs.to_wkt(),
            bands=len(self.whens),
            band_names=[str(w) if w else spec.name for w in self.whens],
            band_tags=[{"DATE": str(w)} if w else {} for w in self.whens],
            units=spec.units,
            tags=provenance.tags(self.request, self.choice, self.method, self.inputs, self.strength),
        )
        hooks = self._listen()
        try:
            with writer:
                self._loop(writer)
                writer.set_tags(MSR_RESIDUAL=f"{self.residual:.6g}")
                self.feedback.progress(0.93, "Writing the output", self.tiles, self.tiles)
        finally:
            for hook in hooks:
                hook.remove()

    def warnings(self) -> list[str]:
        """Return what the user should know of the target's values."""
        if not self._beyond:
            return []
        share = self._beyond / max(self._coarse, 1)
        low, high = limits(self.choice.target)
        ends = [f"{word} {end:g}" for word, end in (("below", low), ("above", high)) if end is not None]
        return [
            f"target: {share:.1%} of the coarse cells are {' or '.join(ends)}, which cannot be: they were "
            f"cut off there, so their means are not kept."
        ]

    def _listen(self) -> list[torch.utils.hooks.RemovableHandle]:
        """Look for a wish to stop before each layer, since one tile can take seconds."""
        module = getattr(self.method, "module", None)
        if module is None:
            return []
        return [m.register_forward_pre_hook(self._stop_if_asked) for m in module.modules()]

    def _stop_if_asked(self, *_: object) -> None:
        self.feedback.check_cancelled()

    def _steps(self) -> Iterator[tuple[Tile, int]]:
        for tile in self._queue:
            for band in range(len(self.whens)):
                yield tile, band

    def _loop(self, writer: CogWriter) -> None:
        reader, scribe = ThreadPoolExecutor(1, "read"), ThreadPoolExecutor(1, "write")
        ahead: deque[tuple[Tile, int, Future[Patch]]] = deque()
        writing: deque[Future[None]] = deque()
        steps = self._steps()
        try:
            while True:
                while len(ahead) < _AHEAD and (step := next(steps, None)) is not None:
                    tile, band = step
                    read = reader.submit(self.inputs.patch, tile, self.method.halo, self.whens[band])
                    ahead.append((tile, band, read))
                if not ahead:
                    break
                self.feedback.check_cancelled()
                tile, band, read = ahead.popleft()
                try:
                    done = self._compute(tile, band, read.result())
                except Exception as error:
                    if not is_out_of_memory(error):
                        raise
                    waiting = dict.fromkeys(t for t, _, _ in ahead if t != tile)
                    for _, _, future in ahead:
                        future.cancel()
                    ahead.clear()
                    self._queue.shrink(tile, list(waiting))
                    steps = self._steps()
                    self.feedback.log("Memory ran out: going on with smaller tiles.", "warning")
                    continue
                self._report()
                if done is not None:
                    writing.append(scribe.submit(self._write, writer, done))
                while len(writing) > _AHEAD or (writing and writing[0].done()):
                    writing.popleft().result()
            for future in writing:
                future.result()
        finally:
            for pool in (reader, scribe):
                pool.shutdown(wait=True, cancel_futures=True)

    @staticmethod
    def _write(writer: CogWriter, done: _Done) -> None:
        writer.write(done.values.numpy(), done.row, done.col, done.band)

    def _compute(self, tile: Tile, band: int, patch: Patch) -> _Done | None:
        """Predict and conserve one tile; crop it to the output."""
        grids, k, spec = self.grids, self.grids.factor, self.choice.target
        inside = slice(patch.halo, -patch.halo or None)
        coarse = patch.target[:, inside, inside]
        area = None
        if patch.area is not None:
            edge_rows = patch.halo * k
            area = patch.area[:, slice(edge_rows, -edge_rows or None)]
        with torch.inference_mode():
            if bool(torch.isfinite(coarse).any()):
                fine = self.method.predict(patch).to("cpu")
                fine = conserve(fine, coarse, k, spec, self.strength, area)
                difference = (aggregate(fine, k, area) - coarse).abs()
                finite = difference[torch.isfinite(difference)]
                residual = float(finite.max()) if finite.numel() else 0.0
            else:
                fine, residual = torch.full((1, tile.rows * k, tile.cols * k), torch.nan), 0.0
        self._coarse += coarse.numel()
        self._beyond += outside_bounds(coarse, spec) * coarse.numel()
        self.residual = max(self.residual, residual)
        self.tiles += 1
        top, left = tile.row * k - grids.row, tile.col * k - grids.col
        rows, cols = grids.output.shape
        r0, r1 = max(top, 0), min(top + tile.rows * k, rows)
        c0, c1 = max(left, 0), min(left + tile.cols * k, cols)
        if r0 >= r1 or c0 >= c1:
            return None
        values = fine[0, r0 - top : r1 - top, c0 - left : c1 - left]
        self.valid += int(torch.isfinite(values).sum())
        return _Done(values, r0, c0, band + 1)

    def _report(self) -> None:
        total = self._queue.total * len(self.whens)
        passed = time.monotonic() - self._started
        left = passed / self.tiles * max(total - self.tiles, 0)
        share = 0.03 + 0.9 * min(self.tiles / total, 1.0)
        self.feedback.progress(share, "Super-resolving", self.tiles, total, left)


def _checked_output(request: SuperResolveRequest) -> Path:
    """Return where the result goes, after a check that it can go there."""
    path = output_path(request)
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise InputError(f"The output {path.name} must be a GeoTIFF: let its name end in .tif.")
    if not path.parent.is_dir():
        raise InputError(f"The folder {path.parent} does not exist: make it, or choose another output.")
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise InputError(f"The output {path} cannot be written: choose another file or folder.")
    for name, ref in {"target": request.target, **request.sources}.items():
        if path.exists() and same_file(ref.path, path):
            raise InputError(f"The output {path} is also the input {name}: choose another file.")
    if path.exists() and not request.overwrite:
        raise InputError(f"The output {path} exists already: remove it, or choose another file.")
    if request.conservation is not None and not 0 <= request.conservation <= 1:
        raise InputError(f"The conservation strength {request.conservation} is not between 0 and 1.")
    if request.tile < 0:
        raise InputError(f"The tile size {request.tile} is negative: give coarse cells, or 0 for automatic.")
    return path


def _check_season(choice: Choice, whens: list[When | None]) -> None:
    if choice.season and any(w is None or w.month is None for w in whens):
        raise InputError(f"{choice.id} needs the season: give the date, YYYY-MM-DD, YYYY-MM or MM.")


def _check_disk(output: Path, grids: Grids, bands: int) -> None:
    """Refuse before long work what the writer would refuse after it."""
    rows, cols = grids.output.shape
    needed, free = disk_needed(cols, rows, bands), shutil.disk_usage(output.parent).free
    if needed > free:
        raise InputError(
            f"The output needs about {needed / 1e9:.1f} GB in {output.parent}, but only {free / 1e9:.1f} GB "
            f"are free: choose another folder or a smaller extent."
        )


def _warnings(choice: Choice, grids: Grids, inputs: Inputs) -> list[str]:
    lines = choice.resolution_warnings(grids)
    lines += [
        f"{name}: its cells are no finer than the target's, so it adds no detail."
        for name in inputs.coarser_than_fine()
    ]
    return lines
