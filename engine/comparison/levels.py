"""The levels at which methods are measured: one level up, and at a finer raster where one is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from odc.geo.geobox import GeoBox
from torch import Tensor

from engine import dates
from engine.comparison.known_field import SMOOTH, KnownField, level_up, read_field, write_bands
from engine.comparison.request import CompareRequest
from engine.dates import When
from engine.errors import InputError
from engine.feedback import Feedback
from engine.pipeline.factor_of_grid import factor_of_grid
from engine.pipeline.request import SuperResolveRequest
from engine.raster.grids import relative_area, window
from engine.raster.reader import Raster
from engine.raster.reference import GridRequest, RasterRef

UP, TRUTH = "up", "truth"


@dataclass(frozen=True)
class JudgedLevel:
    """A field to make finer, and what is known of the result.

    Attributes:
        key: UP or TRUTH.
        target: what methods are given.
        factor: by which they make it finer.
        grid: that they make it on.
        like: a raster of that grid; None: the target's cells by the factor.
        reference: returns a date's known values on a window of rows of the grid, (rows, columns).
        counting: which cells of the grid count, (rows, columns); None: all.
    """

    key: str
    target: KnownField
    factor: int
    grid: GeoBox
    like: str | None
    reference: Callable[[int, slice], Tensor]
    counting: Tensor | None = None

    @property
    def weights(self) -> Tensor | None:
        """Relative area of each row's cells, (rows,), where they weigh by it."""
        area = relative_area(self.grid) if self.target.spec.by_area else None
        return None if area is None else torch.from_numpy(area)

    def rows(self, most: int = 4_000_000) -> Sequence[slice]:
        """Return windows of rows that hold about so many cells each."""
        count, columns = self.grid.shape
        step = max(1, most // columns)
        return [slice(row, min(row + step, count)) for row in range(0, count, step)]


def judged_levels(
    request: CompareRequest, feedback: Feedback, stack: ExitStack
) -> tuple[KnownField, list[JudgedLevel]]:
    """Return the raster as it is known, and the levels that methods can be measured at.

    Args:
        request: of the comparison.
        feedback: hears of the progress, and says when to stop.
        stack: closes the finer raster in the end.

    Raises:
        InputError: a raster cannot be used, no factor is told, or there are too few cells for any level.
    """
    factor = _factor(request)
    known = read_field(request, feedback)
    levels = []
    k = level_up(known.grid.shape, factor)
    if k > 1:
        coarser, part = known.averaged(k)
        there = torch.isfinite(part.values).any(0)
        counting = None if bool(there.all()) else there
        known_rows = lambda date, rows: part.values[date, rows]  # noqa: E731
        levels.append(JudgedLevel(UP, coarser, k, part.grid, None, known_rows, counting))
    if request.truth is not None:
        levels.append(
            _truth_level(request.truth, known, _factor_of(request.target, request.truth), feedback, stack)
        )
    if not levels:
        rows, columns = known.grid.shape
        raise InputError(
            f"target: {columns} × {rows} cells are too few to be averaged once more, and no finer raster is "
            f"given: give a larger raster, or a truth."
        )
    return known, levels


def _factor(request: CompareRequest) -> int:
    if request.factor is not None:
        if not 2 <= request.factor <= 100:
            raise InputError(f"The factor {request.factor} is not between 2 and 100.")
        return request.factor
    if request.truth is None:
        raise InputError(
            "The comparison needs a factor (2 to 100): give --factor, or a finer raster by --truth."
        )
    return _factor_of(request.target, request.truth)


def _factor_of(target: RasterRef, truth: RasterRef) -> int:
    grid = GridRequest(like=truth.address)
    return factor_of_grid(SuperResolveRequest(SMOOTH, target, "", grid=grid))


def _truth_level(
    ref: RasterRef, known: KnownField, factor: int, feedback: Feedback, stack: ExitStack
) -> JudgedLevel:
    raster = Raster(ref, "truth", known.spec.units, known.spec.name, feedback.check_cancelled)
    stack.callback(raster.close)
    if not raster.upright:
        raise InputError(f"truth: {ref.path} has a rotated grid: warp it to an upright one first.")
    if not raster.overlaps(known.grid):
        raise InputError(f"truth: {ref.path} does not overlap the target: check extent and CRS.")
    numbers, bands = _bands(raster, ref, known.dates)
    shared = replace(known, values=known.values[numbers], dates=tuple(known.dates[n] for n in numbers))
    grid = raster.geobox
    how = raster.resampling(grid)

    def reference(date: int, rows: slice) -> Tensor:
        part = window(grid, rows.start, 0, rows.stop - rows.start, grid.shape[1])
        return torch.from_numpy(np.ascontiguousarray(raster.read(part, [bands[date]], how)[0]))

    return JudgedLevel(TRUTH, shared, factor, grid, ref.address, reference)


def _bands(raster: Raster, ref: RasterRef, wanted: Sequence[When | None]) -> tuple[list[int], list[int]]:
    """Return which of the dates the finer raster has, and its band of each."""
    if len(wanted) == 1 and (ref.band is not None or raster.count == 1):
        return [0], [ref.band or 1]
    numbers, bands, last = [], [], ""
    for number, when in enumerate(wanted):
        if when is None:
            raise InputError(f"truth: {ref.path} has {raster.count} bands: choose one (RASTER#BAND).")
        try:
            bands.append(dates.match(raster.dates, when, "truth", raster.further) + 1)
            numbers.append(number)
        except InputError as error:
            last = str(error)
    if not numbers:
        raise InputError(last)
    return numbers, bands


def write_domain(level: JudgedLevel, new: Callable[[], Path]) -> RasterRef | None:
    """Write which cells count, so that coarse means are of them alone; None where all do."""
    if level.counting is None:
        return None
    path = new()
    write_bands(path, level.counting.float()[None], level.grid, (None,), "1")
    return RasterRef(str(path))
