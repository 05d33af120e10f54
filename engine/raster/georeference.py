"""Where a raster lies: CRS, geotransform and size, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from affine import Affine
from odc.geo.crs import CRS as GridCRS
from odc.geo.geobox import GeoBox
from rasterio.crs import CRS


@dataclass(frozen=True)
class Georeference:
    """A grid of cells in a CRS, in the order in which the file holds them."""

    crs: CRS
    transform: Affine  # (column, row) → CRS
    width: int  # columns
    height: int  # rows

    @cached_property
    def period(self) -> int | None:
        """How many columns make 360°, when the raster has them all; a repeated last one is allowed."""
        if not self.crs.is_geographic or self.transform.a == 0:
            return None
        columns = round(360 / abs(self.transform.a))
        whole = abs(columns * abs(self.transform.a) - 360) < 1e-4 * 360
        return columns if whole and columns in (self.width, self.width - 1) else None

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
        """Return whether the grid's cells are cells of this raster (any window of it)."""
        if not self.upright or not same_crs(self.crs, crs_wkt(grid)):
            return False
        shift = ~self.geobox.affine * grid.affine
        near = abs(shift.a - 1) < 1e-9 and abs(shift.e - 1) < 1e-9
        size = max(grid.shape)
        near = near and abs(shift.a - 1) * size < 1e-3 and abs(shift.e - 1) * size < 1e-3
        return near and abs(shift.c - round(shift.c)) < 1e-3 and abs(shift.f - round(shift.f)) < 1e-3

    def describe(self) -> str:
        """Return the grid in words: size, resolution, CRS."""
        name = self.crs.to_string()
        name = name if len(name) < 32 else "custom CRS"
        size = f"{abs(self.transform.a):.6g} × {abs(self.transform.e):.6g}"
        return f"{self.width} × {self.height} cells of {size}, {name}"


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
