"""The pipeline: plan → read → predict → conserve → write, tile by tile, in bounded memory."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from engine.dates import When
from engine.errors import InputError
from engine.feedback import Feedback
from engine.pipeline.inputs import InputRasters
from engine.pipeline.method_choice import Choice, ModelCache, choose
from engine.pipeline.output_files import MAIN, OutputFile, output_files
from engine.pipeline.request import SuperResolveRequest, SuperResolveResult
from engine.pipeline.residual import against_original
from engine.pipeline.tile_loop import TileJob
from engine.raster.cog_writer import disk_needed
from engine.raster.grids import Grids, plan
from engine.raster.reader import Raster, same_file
from engine.specs import TargetSpec


def super_resolve(
    request: SuperResolveRequest, feedback: Feedback, cache: ModelCache | None = None
) -> SuperResolveResult:
    """Downscale one raster: run a model or a baseline and write the fine raster, or an ensemble's rasters.

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
    _check_numbers(request)
    _check_paths(request)
    choice = choose(request)
    choice.check_ensemble(request)
    target = Raster(request.target, "target", choice.units)
    inputs = None
    try:
        choice = choice.for_target(target, request.quantity)
        grids = plan(target, choice.factor, request.grid)
        inputs = InputRasters(target, choice.target, choice.sources, request.sources, choice.shipped, grids)
        choice.check(inputs.names)
        whens = inputs.wanted_dates(request.date, request.all_dates)
        _check_season(choice, whens)
        files = output_files(request, choice.target)
        _check_disk(files, grids, len(whens))
        warnings = _warnings(choice, grids, inputs)
        feedback.check_cancelled()
        feedback.progress(0.01, "Loading the model")
        method = (cache or ModelCache()).method(choice, request, feedback)
        job = TileJob(request, method, choice, grids, inputs, whens, files, feedback)
        job.run()
        reports = inputs.reports()
    finally:
        (inputs or target).close()
    output, residual_original = files[0].path, job.residual
    if not grids.target_cells:
        feedback.progress(0.99, "Comparing with the original raster")
        try:
            residual_original = against_original(request, choice.units, output, whens, feedback)
        except BaseException:  # cancelled, most likely: then nothing may stand there
            for file in files:
                file.path.unlink(missing_ok=True)
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
        device=str(method.device),
        width=cols,
        height=rows,
        members=request.ensemble.members if request.ensemble else 0,
        outputs={file.key: str(file.path) for file in files if file.key != MAIN},
        dates=[str(w) for w in whens if w is not None],
        sources=reports,
        warnings=warnings,
    )


def _check_numbers(request: SuperResolveRequest) -> None:
    if request.conservation is not None and not 0 <= request.conservation <= 1:
        raise InputError(f"The conservation strength {request.conservation} is not between 0 and 1.")
    if request.tile < 0:
        raise InputError(f"The tile size {request.tile} is negative: give coarse cells, or 0 for automatic.")
    if request.ensemble is not None:
        request.ensemble.check()


def _check_paths(request: SuperResolveRequest) -> None:
    """Refuse an output that cannot go where it should."""
    seen: dict[Path, str] = {}
    for product in output_files(request, TargetSpec("target", "")):
        path = product.path
        name = "The output" if product.key == MAIN else f"The output of the {product.key}"
        if path.suffix.lower() not in (".tif", ".tiff"):
            raise InputError(f"{name} {path.name} must be a GeoTIFF: let its name end in .tif.")
        if not path.parent.is_dir():
            raise InputError(f"The folder {path.parent} does not exist: make it, or choose another output.")
        if path.is_dir() or not os.access(path.parent, os.W_OK):
            raise InputError(f"{name} {path} cannot be written: choose another file or folder.")
        for source, ref in {"target": request.target, **request.sources}.items():
            if path.exists() and same_file(ref.path, path):
                raise InputError(f"{name} {path} is also the input {source}: choose another file.")
        if path.exists() and not request.overwrite:
            raise InputError(f"{name} {path} exists already: remove it, or choose another file.")
        place = path.resolve()
        if place in seen:
            raise InputError(f"{name} {path} is also that of the {seen[place]}: choose another file.")
        seen[place] = "estimate" if product.key == MAIN else product.key


def _check_season(choice: Choice, whens: list[When | None]) -> None:
    if choice.season and any(w is None or w.month is None for w in whens):
        raise InputError(f"{choice.id} needs the season: give the date, YYYY-MM-DD, YYYY-MM or MM.")


def _check_disk(files: Sequence[OutputFile], grids: Grids, dates: int) -> None:
    """Refuse before long work what the writers would refuse after it."""
    rows, cols = grids.output.shape
    needed: dict[Path, int] = {}
    for file in files:
        more = disk_needed(cols, rows, dates * len(file.bands))
        needed[file.path.parent] = needed.get(file.path.parent, 0) + more
    for folder, size in needed.items():
        free = shutil.disk_usage(folder).free
        if size > free:
            raise InputError(
                f"The output needs about {size / 1e9:.1f} GB in {folder}, but only {free / 1e9:.1f} GB "
                f"are free: choose another folder or a smaller extent."
            )


def _warnings(choice: Choice, grids: Grids, inputs: InputRasters) -> list[str]:
    lines = choice.resolution_warnings(grids)
    lines += [
        f"{name}: its cells are no finer than the target's, so it adds no detail."
        for name in inputs.coarser_than_fine()
    ]
    return lines
