"""Where a window lies among cells that something was fitted on, if its cells are such cells."""

from __future__ import annotations

from functools import lru_cache

from odc.geo.geobox import GeoBox
from rasterio.crs import CRS

from engine.raster.georeference import crs_wkt, same_crs
from engine.raster.longitudes import circle

APART = 0.02  # of a cell: how far cells may lie apart to be the same


def place_among(
    own: GeoBox, grid: GeoBox, first: tuple[int, int] = (0, 0), shape: tuple[int, int] | None = None
) -> tuple[int, int] | None:
    """Return the row and column of `own`'s lattice at which a window begins, perhaps beyond its cells.

    On the globe it is the turn at which the window's middle comes nearest to that of `own`.

    Args:
        own: the fitted cells.
        grid: on which the window is counted.
        first: row and column of the window's first cell there.
        shape: its rows and columns; None: the grid's.

    Returns:
        None where the cells are others: in another CRS, of another size, or shifted by more than `APART` of a
        cell at any corner.
    """
    wkt, (rows, columns) = crs_wkt(own), shape or grid.shape
    if not _same_crs(wkt, crs_wkt(grid)):
        return None
    step = ~own.affine * grid.affine
    left, top = step * (first[1], first[0])
    right, bottom = step * (first[1] + columns, first[0] + rows)
    if (round_ := _circle(wkt)) is not None:
        turn = round_ / abs(own.affine.a)
        turns = round((own.shape[1] - left - right) / 2 / turn)
        left, right = left + turns * turn, right + turns * turn
    row, column = round(top), round(left)
    ends = (top - row, left - column, bottom - row - rows, right - column - columns)
    return None if max(abs(end) for end in ends) > APART else (row, column)


@lru_cache(maxsize=256)
def _same_crs(own: str, other: str) -> bool:
    return same_crs(CRS.from_wkt(own), other)


@lru_cache(maxsize=64)
def _circle(wkt: str) -> float | None:
    return circle(CRS.from_wkt(wkt))
