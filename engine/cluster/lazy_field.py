"""A run's outputs as Dask arrays: one chunk is one tile at one date, made when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.cluster.fitting import fitted_job, learns
from engine.cluster.portable_request import portable
from engine.cluster.step_job import OPEN_JOBS, StepJob
from engine.feedback import Silent
from engine.pipeline import provenance
from engine.pipeline.method_choice import ModelCache
from engine.pipeline.output_files import MAIN, OutputFile
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.run_plan import RunPlan, prepare
from engine.pipeline.steps.run_writers import run_layout
from engine.pipeline.steps.step_maker import StepMaker
from engine.pipeline.tile_loop import tile_edge
from engine.raster.georeference import crs_wkt
from engine.raster.written.cf_layout import CfDataset, cf_dataset

_FILES_OWN = ("Conventions", "title")  # of a data set's attributes, what a single array does not say


def lazy_data(request: SuperResolveRequest) -> tuple[Any, list[str]]:
    """Return a data set of a request's arrays, the field first, and what its user should know of the inputs.

    The request is checked and the model loaded; no step is made. The arrays are those which
    `engine.pipeline.super_resolve` writes, to the bit, made on as many threads.

    Args:
        request: what to do; its outputs are not written.

    Raises:
        InputError: the request or a raster is wrong.
    """
    import dask.array as da
    import xarray
    from dask.delayed import delayed

    with prepare(request, outputs="none") as plan:
        method = ModelCache().method(plan.choice, request, Silent())
        maker, hears = StepMaker(plan, method), Silent()
        edge = tile_edge(maker, hears)
        tags = provenance.tags(plan, method)
        made = [_described(plan, file, tags) for file in plan.files]
        bands = {file.key: len(file.bands) for file in plan.files}
        pinned = method.plan if plan.choice.package is not None else None
        whole, threads = portable(request, plan.choice), torch.get_num_threads()
        job = StepJob(whole, edge, pinned, threads, inputs=tags["MSR_INPUTS"])
        handed = delayed(fitted_job)(job) if learns(plan, plan.choice) else job
        chunks = _chunks(plan, edge)
        warnings = [*plan.warnings, *hears.warnings]
    several = len(bands) > 1
    if several:  # of a step are made at once: they lie in one chunk, of which each array takes its own
        chunks = (*chunks[:-2], (sum(bands.values()),), *chunks[-2:])
    cells = da.map_blocks(
        _block,
        job=delayed(handed, traverse=False) if isinstance(handed, StepJob) else handed,
        wide=len(chunks[-1]),
        files=list(bands) if several else None,
        chunks=chunks,
        dtype=np.float32,
        meta=np.empty((0,) * len(chunks), np.float32),
        name=f"super-resolve-{job.token}",
    )
    arrays, first = {}, 0
    for told, count in zip(made, bands.values(), strict=True):
        own = cells
        if several:
            own = cells[..., first, :, :] if count == 1 else cells[..., first : first + count, :, :]
        arrays[told.variable] = _labelled(xarray, told, own)
        first += count
    return xarray.Dataset(arrays), warnings


def _block(
    job: StepJob, wide: int, files: Sequence[str] | None = None, block_id: tuple[int, ...] = ()
) -> NDArray[np.float32]:
    """Return the cells of a chunk: (date, band, rows, columns), without a date where the field has none.

    Args:
        job: makes it.
        wide: tiles along a row.
        files: the keys of those whose bands lie one behind the other; None: the field alone, without
            that dimension.
        block_id: of the chunk.
    """
    *leading, row, col = block_id
    date = leading[: len(leading) - (files is not None)]
    made = OPEN_JOBS.make(job, row * wide + col, date[0] if date else 0)
    cells: NDArray[np.float32] = made.bands[MAIN][0].numpy()
    if files is not None:
        cells = np.stack([band.numpy() for key in files for band in made.bands[key]])
    return cells[None] if date else cells


def _described(plan: RunPlan, file: OutputFile, tags: dict[str, str]) -> CfDataset:
    """Return what an array is in the terms of CF."""
    grid = plan.grids.output
    rows, cols = grid.shape
    every = {**tags, **file.tags()}
    return cf_dataset(run_layout(plan, file), (rows, cols), grid.affine, crs_wkt(grid), every)


def _chunks(plan: RunPlan, edge: int) -> tuple[tuple[int, ...], ...]:
    """Return the sizes of the chunks: a date, and what lies of each tile in the output."""
    grids = plan.grids
    sizes = [
        _spans(cells, size, first, edge * grids.factor)
        for cells, size, first in zip(
            (n * grids.factor for n in grids.coarse.shape),
            grids.output.shape,
            (grids.row, grids.col),
            strict=True,
        )
    ]
    dated = plan.dates != [None]
    return ((1,) * len(plan.dates), *sizes) if dated else tuple(sizes)


def _spans(cells: int, size: int, first: int, edge: int) -> tuple[int, ...]:
    """Return how much of each tile along an axis lies between the output's first cell and its last."""
    ends = [min(start + edge, cells) for start in range(0, cells, edge)]
    inside = [min(max(end - first, 0), size) for end in ends]
    return tuple(b - a for a, b in zip([0, *inside], inside, strict=False))


def _labelled(xarray: Any, made: CfDataset, field: Any) -> Any:
    """Return the array with its coordinates decoded as xarray does those of a file."""
    variables = {
        name: (own.dimensions, own.values, dict(own.attributes)) for name, own in made.coordinates.items()
    }
    told = {name: value for name, value in made.further.items() if name not in _FILES_OWN}
    variables[made.variable] = (tuple(made.dimensions), field, {**made.attributes, **told})
    data = xarray.decode_cf(xarray.Dataset(variables), mask_and_scale=False, decode_coords="all")
    array = data[made.variable]
    for coordinate in array.coords.values():  # an array has no place for bounds, of a dimension of their own
        for told in (coordinate.attrs, coordinate.encoding):
            if told.get("bounds", made.variable) not in array.coords:
                told.pop("bounds", None)
    return array
