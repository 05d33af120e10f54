"""The grids of a job: coarse and fine working grids, and the grid that is written."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Geod
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import CRSError, RasterioError
from rasterio.warp import transform_bounds

from engine.contract import MAX_CELLS
from engine.errors import InputError
from engine.raster.checks.georeference_check import (
    check_reach,
    checked_crs,
    farthest_longitude,
    highest_latitude,
)
from engine.raster.crs_name import crs_name
from engine.raster.georeference import crs_wkt, same_crs
from engine.raster.longitudes import circle, goes_round, grid_circle, middle, turned
from engine.raster.reader import Raster
from engine.raster.reference import GridRequest, RasterRef

_WGS84 = Geod(ellps="WGS84")
_LONGEST = 2**31 - 1  # columns or rows of a raster file
_LESS = ("a smaller extent", "fewer dates or a smaller extent")


@dataclass(frozen=True)
class Grids:
    """The working grids; each coarse cell holds factor × factor fine ones.

    The output is the window of the fine grid that starts at (`row`, `col`) and has `output`'s shape.
    """

    factor: int
    coarse: GeoBox
    output: GeoBox
    row: int
    col: int
    target_cells: bool  # the coarse cells are the target raster's own

    @property
    def fine(self) -> GeoBox:
        """The fine grid: the coarse cells, each divided by the factor."""
        return refine(self.coarse, self.factor)

    def coarse_window(self, row: int, col: int, rows: int, cols: int, halo: int) -> GeoBox:
        """Return a window of the coarse grid with `halo` more cells on each side; it may reach beyond."""
        return window(self.coarse, row - halo, col - halo, rows + 2 * halo, cols + 2 * halo)


def window(grid: GeoBox, row: int, col: int, rows: int, cols: int) -> GeoBox:
    """Return rows × cols cells of a grid from (row, col) on, inside it or not."""
    return GeoBox((rows, cols), grid.affine * Affine.translation(col, row), grid.crs)


def origin(grid: GeoBox) -> tuple[int, int]:
    """Return the row and column of a north-up grid's first cell, counted from the zero of its CRS.

    So a part of a raster has the same numbers as in the whole.
    """
    # Grids begin on a whole cell or a simple part of one: with 1/π added, none of these is near a jump.
    row, col = grid.affine.f / grid.affine.e, grid.affine.c / grid.affine.a
    return math.floor(row + 1 / math.pi), math.floor(col + 1 / math.pi)


def lattice(grid: GeoBox) -> GeoBox:
    """Return the cell of a grid's lattice whose row and column `origin` counts as 0."""
    row, col = origin(grid)
    return window(grid, -row, -col, 1, 1)


def refine(grid: GeoBox, factor: int) -> GeoBox:
    """Return the grid with each cell divided into factor × factor."""
    rows, cols = grid.shape
    return GeoBox((rows * factor, cols * factor), grid.affine * Affine.scale(1 / factor), grid.crs)


def plan(target: Raster, factor: int, wanted: GridRequest | None, name: str = "The output") -> Grids:
    """Lay out the grids.

    Without `wanted`, the output's cells are the target's own, each divided by the factor. With a
    grid asked for, that one is extended to whole coarse cells; where its cells are parts of the
    target's cells, the coarse cells are the target's own.

    Args:
        target: the coarse raster.
        factor: fine cells along the edge of a coarse one.
        wanted: a reference raster, or CRS, resolution and extent (each is the target's when absent).
        name: of the fine grid, in sentences.

    Raises:
        InputError: a rotated grid, an unknown CRS, no overlap, a silly size.
    """
    if not target.upright:
        raise InputError(
            f"{target.label}: {target.ref.path} has a rotated grid: warp it to an upright one first."
        )
    native = target.geobox
    if wanted is None or wanted == GridRequest():
        rows, cols = (n * factor for n in native.shape)
        check_size(cols, rows, name)
        return Grids(factor, native, refine(native, factor), 0, 0, True)
    output = output_grid(target, factor, wanted, name)
    check_size(output.shape[1], output.shape[0], name)
    same = same_crs(target.crs, crs_wkt(output))
    if same:  # the output keeps its own longitudes
        native = turned(native, middle(output), circle(target.crs))
    step = ~refine(native, factor).affine * output.affine
    grids: Grids | None = None
    if same and _whole_cells(step, max(output.shape)):
        row, col = round(step.f), round(step.c)
        top, left = math.floor(row / factor), math.floor(col / factor)
        bottom = math.ceil((row + output.shape[0]) / factor)
        right = math.ceil((col + output.shape[1]) / factor)
        coarse = window(native, top, left, bottom - top, right - left)
        if target.georeference.aligned(coarse):
            grids = Grids(factor, coarse, output, row - top * factor, col - left * factor, True)
    if grids is None:
        rows, cols = (math.ceil(n / factor) for n in output.shape)
        coarse = GeoBox((rows, cols), output.affine * Affine.scale(factor), output.crs)
        grids = Grids(factor, coarse, output, 0, 0, False)
    if not target.overlaps(grids.output):
        raise InputError(
            f"{target.label}: {target.ref.path} does not overlap the output: check extent and CRS."
        )
    return grids


def output_grid(target: Raster, factor: int, wanted: GridRequest, name: str = "The output") -> GeoBox:
    """Return the grid that is asked for; where no cell size is, the target's cells by the factor.

    Raises:
        InputError: it makes no sense.
    """
    return _reference(wanted.like) if wanted.like else _asked(target, factor, wanted, name)


def check_size(columns: float, rows: float, name: str, bands: int = 1) -> None:
    """Refuse a raster that is too large to be meant.

    Raises:
        InputError: too many cells over all bands, or more columns or rows than a file can have.
    """
    if columns * rows * bands > MAX_CELLS or max(columns, rows) > _LONGEST:
        shape = f"{columns:.15g} × {rows:.15g} cells" + (f" in {bands} bands" if bands > 1 else "")
        raise InputError(
            f"{name} would have {shape}: check the resolution and its unit, or choose {_LESS[bands > 1]}."
        )


def part(grid: GeoBox, extent: Sequence[float], label: str) -> GeoBox:
    """Return the cells of a north-up grid that touch an extent in its CRS, at whatever turn of the globe.

    Args:
        grid: of which the cells are taken.
        extent: xmin, ymin, xmax, ymax.
        label: how sentences call the grid.

    Raises:
        InputError: they do not overlap.
    """
    grid = turned(grid, (extent[0] + extent[2]) / 2, grid_circle(grid))
    left, top = ~grid.affine * (extent[0], extent[3])
    right, bottom = ~grid.affine * (extent[2], extent[1])
    tiny = 1e-6
    first_row, last_row = max(math.floor(top + tiny), 0), min(math.ceil(bottom - tiny), grid.shape[0])
    first_column, last_column = math.floor(left + tiny), math.ceil(right - tiny)
    if not goes_round(grid):
        first_column, last_column = max(first_column, 0), min(last_column, grid.shape[1])
    if first_row >= last_row or first_column >= last_column:
        raise InputError(f"{label} does not overlap the extent {[round(v, 6) for v in extent]}.")
    return window(grid, first_row, first_column, last_row - first_row, last_column - first_column)


def bounds_in(grid: GeoBox, crs: CRS) -> tuple[float, float, float, float]:
    """Return xmin, ymin, xmax, ymax of a grid in a CRS; across the date line xmax goes on beyond it.

    Raises:
        InputError: the grid has no bounds there.
    """
    left, bottom, right, top = grid.boundingbox
    if same_crs(crs, crs_wkt(grid)):
        return left, bottom, right, top
    turn = grid_circle(grid)
    if turn is not None:
        bottom, top = max(bottom, -turn / 4), min(top, turn / 4)  # cells may be centred on a pole
        if goes_round(grid):
            left, right = -turn / 2, turn / 2
    try:
        own = CRS.from_wkt(crs_wkt(grid))
        left, bottom, right, top = transform_bounds(own, crs, left, bottom, right, top, densify_pts=41)
    except (RasterioError, CPLE_BaseError) as error:
        raise InputError(
            f"The target cannot be brought into {crs_name(crs.to_wkt())}: give an extent."
        ) from error
    if not all(math.isfinite(v) for v in (left, bottom, right, top)):
        raise InputError(f"The target goes beyond what {crs_name(crs.to_wkt())} can show: give an extent.")
    return left, bottom, right + (circle(crs) or 0.0) * (right < left), top


def cell_sizes(grid: GeoBox) -> NDArray[np.float32]:
    """Return the height and width in metres of each row's cells, (2, rows), on the WGS 84 ellipsoid.

    On a projected grid the two are the same for every row (its scale distortion is left out).
    """
    rows = grid.shape[0]
    crs = CRS.from_wkt(crs_wkt(grid))
    height, width = abs(grid.affine.e), abs(grid.affine.a)
    if not crs.is_geographic:
        metres = crs.linear_units_factor[1] if crs.is_projected else 1.0
        return np.repeat(np.array([[height * metres], [width * metres]], np.float32), rows, axis=1)
    edges = np.clip(grid.affine.f + grid.affine.e * np.arange(rows + 1), -90, 90)
    middles = (edges[:-1] + edges[1:]) / 2
    zero = np.zeros(rows)
    _, _, tall = _WGS84.inv(zero, edges[:-1], zero, edges[1:])
    _, _, wide = _WGS84.inv(zero, middles, zero + min(width, 1.0), middles)
    return np.maximum(np.stack([tall, wide * width / min(width, 1.0)]), 1e-3).astype(np.float32)


def relative_area(grid: GeoBox) -> NDArray[np.float32] | None:
    """Return the relative area of each row's cells, (rows,), or None when all are equal (projected)."""
    if not CRS.from_wkt(crs_wkt(grid)).is_geographic:
        return None
    edges = np.clip(grid.affine.f + grid.affine.e * np.arange(grid.shape[0] + 1), -90, 90)
    area = np.abs([b - a for a, b in pairwise(np.sin(np.deg2rad(edges)))])
    return np.maximum(area / max(area.max(), 1e-12), 1e-6).astype(np.float32)


def resolution_metres(grid: GeoBox) -> float:
    """Return the north–south cell size in metres, in the middle of the grid."""
    return float(cell_sizes(grid)[0, grid.shape[0] // 2])


def _reference(path: str) -> GeoBox:
    """Return the grid of a reference raster."""
    raster = Raster(RasterRef.parse(path), "the reference grid")
    try:
        if not raster.upright:
            raise InputError(
                f"The reference grid {raster.ref.path} is rotated: warp it to an upright one first."
            )
        return raster.geobox
    finally:
        raster.close()


def _asked(target: Raster, factor: int, wanted: GridRequest, name: str) -> GeoBox:
    """Return the grid of a CRS, resolution and extent."""
    crs = target.crs
    if wanted.crs:
        try:
            crs = CRS.from_user_input(wanted.crs)
        except CRSError as error:
            raise InputError(f"The CRS {wanted.crs!r} is unknown: give a code such as EPSG:3035.") from error
        crs = checked_crs(crs, f"The CRS {wanted.crs!r} of the grid")
    own = target.geobox
    same = same_crs(crs, crs_wkt(own))
    if wanted.resolution is None and not same:
        raise InputError("An output CRS other than the target's needs a resolution in its units.")
    if wanted.resolution is None:
        dx, dy = abs(own.affine.a) / factor, abs(own.affine.e) / factor
    elif isinstance(wanted.resolution, (int, float)):
        dx = dy = _number(wanted.resolution)
    else:
        dx, dy = (_number(r) for r in wanted.resolution)
    if not (dx > 0 and dy > 0 and math.isfinite(dx) and math.isfinite(dy)):
        raise InputError(f"The resolution {reprlib.repr(wanted.resolution)} is not a positive number.")
    box = bounds_in(own, crs) if wanted.extent is None else tuple(_number(v) for v in wanted.extent)
    xmin, ymin, xmax, ymax = box
    turn = circle(crs)
    if not all(math.isfinite(v) for v in box) or xmax <= xmin or ymax <= ymin:
        over = turn is not None and xmax < xmin <= turn and ymin < ymax
        seam = f" (across the seam of the longitudes {xmin:g} to {xmax + (turn or 0):g})" if over else ""
        raise InputError(
            f"The extent {reprlib.repr(wanted.extent)} is empty: give xmin, ymin, xmax, ymax in the output's "
            f"CRS{seam}."
        )
    rows, cols = (max(1.0, n - 1e-6) for n in ((ymax - ymin) / dy, (xmax - xmin) / dx))
    check_size(cols, rows, name)
    if turn is not None and (xmax - xmin > turn + dx or math.ceil(cols) > turn / dx + 1.5):
        raise InputError(f"The extent {reprlib.repr(wanted.extent)} goes round the globe more than once.")
    if turn is not None and max(dx, dy) > turn:
        raise InputError(f"{name} would have cells larger than the globe: check the resolution and its unit.")
    if turn is not None:
        _check_on_globe(
            turn, (xmin, xmin + math.ceil(cols) * dx), (ymax, ymax - math.ceil(rows) * dy), dy, name
        )
    else:
        ends = (xmin, ymax, xmin + math.ceil(cols) * dx, ymax - math.ceil(rows) * dy)
        check_reach(crs, ends, f"{name} would reach", "check the resolution, the extent and their unit")
    return GeoBox((math.ceil(rows), math.ceil(cols)), Affine(dx, 0, xmin, 0, -dy, ymax), crs.to_wkt())


def _check_on_globe(
    turn: float, longitudes: Iterable[float], latitudes: Iterable[float], cell: float, name: str
) -> None:
    """Refuse a grid of degrees that no raster may have.

    Raises:
        InputError: names the latitude or longitude that it would reach to.
    """
    for what, places, most in (
        ("latitude", latitudes, highest_latitude(turn, cell)),
        ("longitude", longitudes, farthest_longitude(turn)),
    ):
        reached = max(places, key=abs)
        if abs(reached) > most:
            raise InputError(
                f"{name} would reach to {what} {reached:.6g}: check the extent (xmin, ymin, xmax, ymax), the "
                f"resolution and the CRS."
            )


def _number(value: float) -> float:
    """Return a number that may have hundreds of digits as a float, infinite where none can hold it."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _whole_cells(step: Affine, size: int) -> bool:
    """Return whether a grid's cells are cells of another, given the map from one's cells to the other's."""
    same_size = abs(step.a - 1) * size < 1e-2 and abs(step.e - 1) * size < 1e-2
    return same_size and abs(step.c - round(step.c)) < 1e-2 and abs(step.f - round(step.f)) < 1e-2
