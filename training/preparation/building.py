"""Fill a store: every array in blocks of time and space, in parallel, never the whole in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from engine.errors import Cancelled, InputError
from engine.fields.conservation import aggregate
from engine.raster.grids import relative_area, window
from training.data.store_format import COARSE, FINE
from training.preparation.array_statistics import ArrayStatistics, CoarseAgreement
from training.preparation.diagnostics import no_cell
from training.preparation.layout import create
from training.preparation.planning import StorePlan, Variable

BLOCK = 256  # cells along a block's edge
CELLS = 2**20  # of a block, over its times


@dataclass
class Built:
    """What was learnt while a store was filled."""

    statistics: dict[str, ArrayStatistics] = field(default_factory=dict)
    comparison: CoarseAgreement | None = None


def new_built(plan: StorePlan) -> Built:
    """Return what is to be learnt, before anything is."""
    built, length = Built(), len(plan.times)
    for variable in plan.variables:
        built.statistics[variable.name] = ArrayStatistics(1 if variable.indices is None else length)
    mode = plan.dataset.target.mode
    if mode == "aggregate":
        built.statistics[COARSE] = ArrayStatistics(length)
    elif mode == "independent":
        built.comparison = CoarseAgreement((plan.coarse.shape[0], plan.coarse.shape[1]))
    return built


def block_edges(plan: StorePlan) -> tuple[int, int, int]:
    """Return the times of a block, and its edge on the coarse and on the fine grid.

    A fine block is made of whole coarse cells.
    """
    k = plan.dataset.factor
    edge = k * max(1, BLOCK // k)
    changing = [v for v in plan.variables if v.indices is not None]
    fine = any(v.grid == "fine" for v in changing)
    cells = np.prod([min(n, edge if fine else BLOCK) for n in (plan.fine if fine else plan.coarse).shape])
    times = int(np.clip(CELLS // cells, 4, 64 if fine else 512))
    return min(times, len(plan.times)), BLOCK, edge


def build(plan: StorePlan, path: Path, workers: int, progress: Callable[[int], Any]) -> Built:
    """Write the arrays of a plan into a new store at `path`; see `layout` for what it holds.

    Args:
        plan: the data set, laid out.
        path: of the store; nothing may be there.
        workers: threads that read and warp at the same time.
        progress: is told the number of blocks, and gives a context manager that dask reports to.

    Raises:
        InputError: a raster cannot be read, or the target has no valid cell.
    """
    from dask.base import compute
    from dask.delayed import delayed

    times, coarse_edge, fine_edge = block_edges(plan)
    create(plan, path, times, coarse_edge, fine_edge)
    filler = BlockFiller(plan, path)
    tasks = [
        delayed(filler.fill, pure=False)(*block)
        for first in range(0, len(plan.times), times)
        for block in filler.blocks(first)
    ]
    pool = ThreadPoolExecutor(workers)
    try:
        with progress(len(tasks)):
            compute(*tasks, scheduler="threads", pool=pool, num_workers=workers, optimize_graph=False)
    finally:
        filler.stopped.set()
        pool.shutdown(wait=True, cancel_futures=True)
    check_target(plan, filler.built)
    return filler.built


def check_target(plan: StorePlan, built: Built) -> None:
    """Refuse a target without any valid cell; that rasters hold none is mostly found out before."""
    target = plan.dataset.target
    for name in (FINE, COARSE):
        if name not in built.statistics or built.statistics[name].range is not None:
            continue
        variable = plan.get(name)
        if variable is not None:
            raise InputError(no_cell(variable.rasters.label))
        raise InputError(
            f"target.min_cover: no coarse cell has {target.min_cover:g} of its fine cells valid: choose a "
            f"smaller share, or check nodata and valid_range."
        )


Block = tuple[Variable, int, int, int, tuple[int, int]]  # first time, row, column, rows and columns


class BlockFiller:
    """Reads blocks, writes them, and keeps the aggregate of the truth until a time's is whole.

    Args:
        plan: the data set, laid out.
        path: of its store, which is there without its values.
    """

    def __init__(self, plan: StorePlan, path: Path) -> None:
        import zarr

        self.plan = plan
        self.store: Any = zarr.open_group(str(path), mode="r+")
        self.times, self._coarse_edge, self._fine_edge = block_edges(plan)
        self.built, self.stopped = new_built(plan), threading.Event()
        self.sums: dict[int, NDArray[np.float64]] = {}  # that were compared last, by the block's number
        self._lock = threading.Lock()
        self._means: dict[int, tuple[NDArray[np.float32], list[int]]] = {}  # and the cells still open

    def blocks(self, first: int) -> Iterator[Block]:
        """Yield the blocks of the times from `first` on; those of static arrays are of the first times."""
        for variable in self.plan.variables:
            if variable.indices is None and first > 0:
                continue
            edge = self._fine_edge if variable.grid == "fine" else self._coarse_edge
            rows, columns = self.plan.grid(variable).shape
            for row, column in product(range(0, rows, edge), range(0, columns, edge)):
                yield variable, first, row, column, (min(edge, rows - row), min(edge, columns - column))

    def fill(self, variable: Variable, first: int, row: int, column: int, size: tuple[int, int]) -> None:
        """Read, write and count one block."""
        if self.stopped.is_set():
            raise Cancelled("Stopped.")
        grid = window(self.plan.grid(variable), row, column, *size)
        indices = (0,) if variable.indices is None else variable.indices[first : first + self.times]
        values = variable.rasters.read(indices, grid, variable.conserve)
        array = self.store[variable.name]
        rows, columns = slice(row, row + size[0]), slice(column, column + size[1])
        if array.ndim == 2:
            array[rows, columns] = values[0, 0]
        elif variable.indices is None:
            array[:, rows, columns] = values[0]
        elif array.ndim == 3:
            array[first : first + len(indices), rows, columns] = values[:, 0]
        else:
            array[first : first + len(indices), :, rows, columns] = values
        self.built.statistics[variable.name].add(first, values, (row, column))
        if variable.name == FINE:
            self._aggregate(values[:, 0], grid, first, row, column)

    def _aggregate(
        self, values: NDArray[np.float32], grid: GeoBox, first: int, row: int, column: int
    ) -> None:
        """Aggregate a block of the truth; write or compare the means once all blocks of its times are in."""
        target, k = self.plan.dataset.target, self.plan.dataset.factor
        fine = torch.from_numpy(values)
        area = relative_area(grid) if target.weights == "area" else None
        means = aggregate(fine, k, None if area is None else torch.from_numpy(area)).numpy()
        if target.min_cover > 0:
            cover = aggregate(torch.isfinite(fine).float(), k).numpy()
            means = np.where(cover >= target.min_cover, means, np.nan).astype(np.float32)
        count, rows, columns = means.shape
        with self._lock:
            if first not in self._means:
                shape = tuple(self.plan.coarse.shape)
                self._means[first] = np.full((count, *shape), np.nan, np.float32), [shape[0] * shape[1]]
            whole, open_cells = self._means[first]
            top, left = row // k, column // k
            whole[:, top : top + rows, left : left + columns] = means
            open_cells[0] -= rows * columns
            if open_cells[0]:
                return
            del self._means[first]
        if target.mode == "aggregate":
            self.store[COARSE][first : first + count] = whole
            self.built.statistics[COARSE].add(first, whole)
        else:
            self._compare(first, whole)

    def _compare(self, first: int, means: NDArray[np.float32]) -> None:
        """Hold the aggregate of some times against the coarse product of its own."""
        coarse, comparison = self.plan.get(COARSE), self.built.comparison
        if coarse is None or coarse.indices is None or comparison is None:
            raise ValueError("only an independent coarse product, by dates, is compared")
        product = coarse.rasters.read(coarse.indices[first : first + len(means)], self.plan.coarse, True)
        sums = comparison.sums_of(means, product[:, 0])
        number = first // self.times
        comparison.take(number, sums)
        self.sums = {number: sums}
