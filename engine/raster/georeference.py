"""Where a raster lies: CRS, geotransform and size, and what follows from them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from affine import Affine
from odc.geo.crs import CRS as GridCRS
from odc.geo.geobox import GeoBox
from rasterio.crs import CRS
from rasterio.errors import CRSError

from engine.errors import InputError
from engine.raster.crs_name import cell_size, crs_name
from engine.raster.longitudes import ROUNDED, circle, columns_round

_MOST_TURNS = 8  # of a grid over a raster; more is no place on the globe


@dataclass(frozen=True)
class Georeference:
    """A grid of cells in a CRS, in the order in which the file holds them."""

    crs: CRS
    transform: Affine  # (column, row) → CRS
    width: int  # columns
    height: int  # rows

    @cached_property
    def circle(self) -> float | None:
        """A full turn in units of the CRS, None unless it is geographic and the grid upright."""
        return circle(self.crs) if self.upright else None

    @cached_property
    def turn(self) -> int | None:
        """How many of the raster's columns make a full turn, when it is a whole number."""
        return self.period or columns_round(self.transform.a, self.circle)

    @cached_property
    def period(self) -> int | None:
        """How many columns make a full turn, when the raster has them all; a last one may be repeated."""
        columns = columns_round(self.transform.a, self.circle, ROUNDED)
        return columns if columns is not None and columns <= self.width else None

    @property
    def upright(self) -> bool:
        """True unless the grid is rotated or sheared."""
        return abs(self.transform.b) < 1e-12 and abs(self.transform.d) < 1e-12

    @property
    def geobox(self) -> GeoBox:
        """The grid, north up and west left whichever way the file runs (upright grids only)."""
        a, e = self.transform.a, self.transform.e
        left = self.transform.c if a > 0 else self.transform.c + a * self.width
        top = self.transform.f if e < 0 else self.transform.f + e * self.height
        affine = Affine(abs(a), 0, left, 0, -abs(e), top)
        return GeoBox((self.height, self.width), affine, self.crs.to_wkt())

    def aligned(self, grid: GeoBox) -> bool:
        """Return whether the grid's cells are cells of this raster (any window of it, at any turn)."""
        return self.place(grid) is not None

    def place(self, grid: GeoBox) -> tuple[int, int] | None:
        """Return the row and column of `geobox` where the grid begins, None unless its cells are cells of it.

        They may lie beyond the raster. The column is right up to full turns where `turn` counts them.
        """
        if not self.upright or not same_crs(self.crs, crs_wkt(grid)):
            return None
        shift = ~self.geobox.affine * grid.affine
        near = abs(shift.a - 1) < 1e-9 and abs(shift.e - 1) < 1e-9 and abs(shift.b) + abs(shift.d) < 1e-9
        size = max(grid.shape)
        near = near and abs(shift.a - 1) * size < 1e-3 and abs(shift.e - 1) * size < 1e-3
        turns = self._turns(shift.c, grid.shape[1])
        if not near or abs(shift.f - round(shift.f)) >= 1e-3 or (len(turns) > 1 and self.turn is None):
            return None
        for turn in turns:
            column = shift.c + turn * (self.circle or 0.0) / abs(self.transform.a)
            if abs(column - round(column)) < 1e-3:
                return round(shift.f), round(column)
        return None

    def _turns(self, column: float, columns: int) -> list[int]:
        """Return the turns by which columns from `column` on may be moved to lie over the raster, 0 first."""
        if self.circle is None:
            return [0]
        turn = self.circle / abs(self.transform.a)
        low, high = math.floor(-(column + columns) / turn), math.ceil((self.width - column) / turn)
        if high - low > _MOST_TURNS:
            return [0]
        over = [
            t
            for t in range(low, high + 1)
            if column + t * turn < self.width and column + columns + t * turn > 0
        ]
        return sorted(over, key=abs) or [0]

    def describe(self) -> str:
        """Return the grid in words: size, resolution, CRS."""
        crs = self.crs.to_wkt()
        size = cell_size(self.transform.a, self.transform.e, crs)
        return f"{self.width} × {self.height} cells of {size}, {crs_name(crs)}"


def given_crs(text: str, called: str) -> CRS:
    """Return the CRS that a user gives for a file; raises InputError where it is unknown."""
    try:
        return CRS.from_user_input(text)
    except CRSError as error:
        raise InputError(f"The CRS {text!r} given for {called} is unknown.") from error


def crs_of(grid: GeoBox) -> GridCRS:
    """Return the CRS of a grid.

    Raises:
        ValueError: it has none.
    """
    if grid.crs is None:
        raise ValueError(f"the grid {grid} has no CRS")
    return grid.crs


def crs_wkt(grid: GeoBox) -> str:
    """Return the CRS of a grid as WKT; raises ValueError where it has none."""
    return crs_of(grid).to_wkt()


def same_crs(crs: CRS, wkt: str) -> bool:
    """Return whether a CRS is the one of a WKT."""
    other = CRS.from_wkt(wkt)
    return crs == other or (crs.to_epsg() is not None and crs.to_epsg() == other.to_epsg())
