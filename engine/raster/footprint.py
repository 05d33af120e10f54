"""Which window of a raster lies under a grid, in any two CRSs, across the date line and the poles."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import CRS as ProjCRS
from pyproj import Transformer

from engine.raster.georeference import Georeference, crs_wkt, same_crs

_SAMPLES = 21  # points along each axis of the grid


@dataclass(frozen=True)
class Footprint:
    """A window of the file; columns may go past its edge when it goes round the world."""

    row: int
    col: int
    height: int
    width: int
    shift: float  # degrees to add to the file's longitudes, a multiple of 360
    round_the_world: bool  # the grid holds a pole or most longitudes


def footprint(raster: Georeference, grid: GeoBox, margin: int) -> list[Footprint]:
    """Return the windows of a raster under a grid, `margin` source cells wider on each side.

    Empty when they do not overlap. More than one when a regional raster lies under the grid at
    two multiples of 360°.
    """
    same = same_crs(raster.crs, crs_wkt(grid))
    x, y = _sample(grid)
    pole_rows: list[float] = []
    if not same:
        to_raster = _transformer(crs_wkt(grid), raster.crs.to_wkt())
        x, y = to_raster.transform(x, y)
        if raster.crs.is_geographic:
            x = _unwrap(x)
            pole_rows = _poles_inside(raster, grid)
    good = np.isfinite(x) & np.isfinite(y)
    if not good.any():
        return []
    x, y = x[good], y[good]
    whole = raster.crs.is_geographic and not same and (bool(pole_rows) or bool(np.ptp(x) > 300))
    windows = []
    for shift in _shifts(raster, x):
        cols, rows = ~raster.transform * (x - shift, y)
        rows = np.concatenate([rows, pole_rows])
        if whole and raster.period:
            cols = np.array([0.0, raster.period])
        window = _clip(raster, rows, cols, margin)
        if window is not None:
            windows.append(Footprint(*window, shift, whole))
    return windows


def scale(raster: Georeference, grid: GeoBox) -> float:
    """Return how many of the raster's cells one cell of the grid spans, along one axis."""
    here = _sample(grid, 9)
    a, e = grid.affine.a, grid.affine.e
    corners = [here, (here[0] + a, here[1]), (here[0], here[1] + e)]
    if not same_crs(raster.crs, crs_wkt(grid)):
        to_raster = _transformer(crs_wkt(grid), raster.crs.to_wkt())
        corners = [to_raster.transform(*c) for c in corners]
    (x0, y0), (x1, y1), (x2, y2) = corners
    dx1, dx2 = x1 - x0, x2 - x0
    if raster.crs.is_geographic:  # a step over the date line is still a small one
        dx1, dx2 = (np.mod(d + 180, 360) - 180 for d in (dx1, dx2))
    area = np.abs(dx1 * (y2 - y0) - dx2 * (y1 - y0)) / abs(raster.transform.determinant)
    area = area[np.isfinite(area)]
    return math.sqrt(float(np.median(area))) if area.size else 0.0


def _transformer(source: str, goal: str) -> Transformer:
    return _kept_transformer(source, goal, threading.get_ident())


@lru_cache(maxsize=64)
def _kept_transformer(source: str, goal: str, thread: int) -> Transformer:
    """Make one for each pair of CRSs and each thread: it takes long, and must not be shared by threads."""
    return Transformer.from_crs(ProjCRS.from_wkt(source), ProjCRS.from_wkt(goal), always_xy=True)


def _sample(grid: GeoBox, samples: int = _SAMPLES) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows, columns = grid.shape
    c, r = np.meshgrid(np.linspace(0, columns, samples), np.linspace(0, rows, samples))
    affine: Any = grid.affine  # takes arrays too, which its types do not say
    x, y = affine * (c, r)
    return np.ravel(x), np.ravel(y)


def _unwrap(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring longitudes within 180° of their circular mean."""
    good = x[np.isfinite(x)]
    if not good.size:
        return x
    centre = np.rad2deg(np.angle(np.exp(1j * np.deg2rad(good)).sum()))
    return np.where(np.isfinite(x), np.mod(x - centre + 180, 360) - 180 + centre, x)


def _poles_inside(raster: Georeference, grid: GeoBox) -> list[float]:
    """Return the raster's row coordinate of each pole that lies inside the grid."""
    from_raster = _transformer(raster.crs.to_wkt(), crs_wkt(grid))
    rows = []
    for latitude in (90.0, -90.0):
        x, y = from_raster.transform(0.0, latitude)
        if not (math.isfinite(x) and math.isfinite(y)):
            continue
        c, r = ~grid.affine * (x, y)
        if 0 <= c <= grid.shape[1] and 0 <= r <= grid.shape[0]:
            rows.append((~raster.transform * (0.0, latitude))[1])
    return rows


def _shifts(raster: Georeference, x: NDArray[np.float64]) -> list[float]:
    """Return the multiples of 360° at which the raster may lie under longitudes x."""
    if not raster.crs.is_geographic or raster.period:
        return [0.0]
    left, right = sorted((raster.transform.c, raster.transform.c + raster.transform.a * raster.width))
    turns = range(math.floor((x.min() - right) / 360), math.ceil((x.max() - left) / 360) + 1)
    return [360.0 * t for t in turns if left + 360 * t < x.max() and right + 360 * t > x.min()]


def _clip(
    raster: Georeference, rows: NDArray[np.float64], cols: NDArray[np.float64], margin: int
) -> tuple[int, int, int, int] | None:
    """Return (row, col, height, width) inside the file, or None."""
    tiny = 1e-6
    top, bottom = math.floor(rows.min() + tiny), math.ceil(rows.max() - tiny)
    left, right = math.floor(cols.min() + tiny), math.ceil(cols.max() - tiny)
    if bottom <= 0 or top >= raster.height:
        return None
    top, bottom = max(top - margin, 0), min(bottom + margin, raster.height)
    if raster.period:
        left, right = left - margin, right + margin
    else:
        if right <= 0 or left >= raster.width:
            return None
        left, right = max(left - margin, 0), min(right + margin, raster.width)
    return (top, left, max(bottom - top, 1), max(right - left, 1))
