"""Longitudes go round: which grids and columns are the same place on the globe."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.crs import CRS

EXACT = 1e-2  # of a cell: how far a turn may be off a whole number of columns to be one
ROUNDED = 0.25  # the same for a raster with all the columns of a turn, whose step may be rounded


def circle(crs: CRS) -> float | None:
    """Return a full turn in the units of a CRS (360 for degrees, 400 for grads), None unless geographic."""
    return _circle(crs.to_wkt()) if crs.is_geographic else None


@lru_cache(maxsize=64)
def _circle(wkt: str) -> float:
    _, radians = CRS.from_wkt(wkt).units_factor
    return round(2 * math.pi / radians, 9)


def columns_round(step: float, turn: float | None, slack: float = EXACT) -> int | None:
    """Return how many columns of a width make a full turn, None unless they are a whole number.

    Args:
        step: width of a column.
        turn: from `circle`, in the same units.
        slack: of a cell, that the number may be off.
    """
    if turn is None or not step or not math.isfinite(step):
        return None
    count = round(turn / abs(step))
    return count if count > 0 and abs(count * abs(step) - turn) <= slack * abs(step) else None


def turned(grid: GeoBox, middle: float, turn: float | None) -> GeoBox:
    """Return a grid moved by full turns so that its middle comes nearest to an x coordinate."""
    if turn is None:
        return grid
    own = grid.affine.c + grid.affine.a * grid.shape[1] / 2
    turns = round((middle - own) / turn)
    if not turns:
        return grid
    return GeoBox(grid.shape, Affine.translation(turns * turn, 0) * grid.affine, grid.crs)


def goes_round(grid: GeoBox) -> bool:
    """Return whether a grid has all the columns of a full turn."""
    columns = columns_round(grid.affine.a, grid_circle(grid), ROUNDED)
    return columns is not None and columns <= grid.shape[1]


def grid_circle(grid: GeoBox) -> float | None:
    """Return a full turn in the units of a grid's CRS, None unless it is geographic."""
    return circle(CRS.from_wkt(grid.crs.to_wkt())) if grid.crs is not None else None


def middle(grid: GeoBox) -> float:
    """Return the x coordinate of a grid's middle column."""
    return grid.affine.c + grid.affine.a * grid.shape[1] / 2


def continued(longitudes: NDArray[np.float64], turn: float = 360.0) -> NDArray[np.float64]:
    """Return the longitudes of an axis without the jump where it crosses a seam.

    350, 355, 0, 5 becomes 350, 355, 360, 365, and 175, 180, -175 becomes 175, 180, 185.
    """
    return np.unwrap(np.asarray(longitudes, np.float64), period=turn)


def column_runs(start: int, count: int, width: int, turn: int | None) -> list[tuple[int, int, int]]:
    """Split columns start … start+count into runs (first, end, place in the result) inside the file.

    Columns beyond the file are those a full turn away, if the file has them.
    """
    if turn is None:
        first, end = max(start, 0), min(start + count, width)
        return [(first, end, first - start)] if first < end else []
    runs, at = [], 0
    while at < count:
        column = start + at
        inside = 0 <= column < width
        first = column if inside else column % turn
        end = min(width if inside or turn > width else turn, first + count - at)
        if column < 0:
            end = min(end, first - column)
        if first < end:
            runs.append((first, end, at))
            at += end - first
        else:
            at += turn - first
    return runs
