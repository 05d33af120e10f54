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
from engine.raster.longitudes import circle

_SAMPLES = 21  # points along each axis of the grid
_MOST_SAMPLES = 160  # the same where a part of the grid lies off the map


@dataclass(frozen=True)
class Footprint:
    """A window of the file; columns may go past its edge when it goes round the world."""

    row: int
    col: int
    height: int
    width: int
    shift: float  # to add to the file's longitudes: full turns, in units of its CRS
    round_the_world: bool  # the grid holds a pole or most longitudes


def footprint(raster: Georeference, grid: GeoBox, margin: int) -> list[Footprint]:
    """Return the windows of a raster under a grid, `margin` source cells wider on each side.

    Empty when they do not overlap. More than one when a regional raster lies under the grid at
    two multiples of 360°.
    """
    same = same_crs(raster.crs, crs_wkt(grid))
    x, y = _sample(grid)
    pole_rows: list[float] = []
    reach = (0.0, 0.0)
    whole = False
    if not same:
        to_raster = _transformer(crs_wkt(grid), raster.crs.to_wkt())
        x, y = to_raster.transform(x, y)
        if not (np.isfinite(x) & np.isfinite(y)).all():
            # A part of the grid lies off the map, so the raster reaches up to somewhere between the samples.
            samples = min(max(*grid.shape, _SAMPLES - 1), _MOST_SAMPLES) + 1
            x, y = to_raster.transform(*_sample(grid, samples))
            reach = _steps(raster, x, y, samples)
        if raster.circle is not None:
            pole_rows = _poles_inside(raster, grid)
            turned = _unwrap(x, raster.circle)
            near = turned[np.isfinite(turned)]
            whole = bool(pole_rows) or bool(near.size and np.ptp(near) > raster.circle * 5 / 6)
            # PROJ's own longitudes go half a turn to either side of zero.
            x = _unwrap(x, raster.circle, 0.0) if whole else turned
    good = np.isfinite(x) & np.isfinite(y)
    if not good.any():
        return []
    x, y = x[good], y[good]
    if whole and raster.circle is not None:
        x, y = np.append(x, [-raster.circle / 2, raster.circle / 2]), np.append(y, y[[0, 0]])
    windows = []
    for shift in _shifts(raster, x):
        cols, rows = ~raster.transform * (x - shift, y)
        rows = np.concatenate([rows - reach[0], rows + reach[0], pole_rows])
        cols = np.concatenate([cols - reach[1], cols + reach[1]])
        window = _clip(raster, rows, cols, margin)
        if window is not None:
            windows.append(Footprint(*window, shift, whole))
    return windows


def cells_under(
    raster: Georeference, grid: GeoBox, columns: NDArray[np.float64], rows: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the raster's row and column under places of a grid; NaN where there is no such place.

    Args:
        raster: on which they are looked for, at whatever turn of the globe.
        grid: in whose rows and columns the places are given.
        columns, rows: of the grid, with fractions: 0.5 is the middle of the first cell.
    """
    affine: Any = grid.affine
    x, y = affine * (columns, rows)
    if not same_crs(raster.crs, crs_wkt(grid)):
        x, y = _transformer(crs_wkt(grid), raster.crs.to_wkt()).transform(x, y)
    good = np.isfinite(x) & np.isfinite(y)
    x, y = np.where(good, x, np.nan), np.where(good, y, np.nan)
    if raster.circle is not None:
        left = min(raster.transform.c, raster.transform.c + raster.transform.a * raster.width)
        x = left + np.mod(x - left, raster.circle)
    back: Any = ~raster.transform
    column, row = back * (x, y)
    return row, column


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
        turn = circle(raster.crs) or 360.0
        dx1, dx2 = (np.mod(d + turn / 2, turn) - turn / 2 for d in (dx1, dx2))
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


def _steps(
    raster: Georeference, x: NDArray[np.float64], y: NDArray[np.float64], samples: int
) -> tuple[float, float]:
    """Return the largest step between neighbouring samples, in the raster's rows and columns."""
    good = np.isfinite(x) & np.isfinite(y)
    x, y = (np.where(good, v, np.nan).reshape(samples, -1) for v in (x, y))
    columns, rows = ~raster.transform * (x, y)
    turn = raster.circle / abs(raster.transform.a) if raster.circle is not None else None
    largest = []
    for values, round_at in ((rows, None), (columns, turn)):
        steps = np.concatenate([np.diff(values, axis=k).ravel() for k in (0, 1)])
        steps = steps[np.isfinite(steps)]
        if round_at is not None:  # a step over a seam is still a small one
            steps = np.mod(steps + round_at / 2, round_at) - round_at / 2
        largest.append(float(np.abs(steps).max()) if steps.size else 0.0)
    return largest[0], largest[1]


def _unwrap(x: NDArray[np.float64], turn: float, centre: float | None = None) -> NDArray[np.float64]:
    """Bring longitudes within half a turn of a centre, by default their circular mean."""
    good = x[np.isfinite(x)]
    if not good.size:
        return x
    if centre is None:
        centre = np.angle(np.exp(2j * np.pi * good / turn).sum()) * turn / (2 * np.pi)
    held = np.where(np.isfinite(x), x, centre)
    return np.where(np.isfinite(x), np.mod(held - centre + turn / 2, turn) - turn / 2 + centre, x)


def _poles_inside(raster: Georeference, grid: GeoBox) -> list[float]:
    """Return the raster's row coordinate of each pole inside the grid; its edges are sampled anyway."""
    from_raster = _transformer(raster.crs.to_wkt(), crs_wkt(grid))
    rows = []
    turn = raster.circle or 360.0
    for latitude in (turn / 4, -turn / 4):
        x, y = from_raster.transform(0.0, latitude)
        if not (math.isfinite(x) and math.isfinite(y)):
            continue
        c, r = ~grid.affine * (x, y)
        if 0 < c < grid.shape[1] and 0 < r < grid.shape[0]:
            rows.append((~raster.transform * (0.0, latitude))[1])
    return rows


def _shifts(raster: Georeference, x: NDArray[np.float64]) -> list[float]:
    """Return the full turns at which the raster may lie under longitudes x."""
    turn = raster.circle
    if turn is None or raster.period:
        return [0.0]
    left, right = sorted((raster.transform.c, raster.transform.c + raster.transform.a * raster.width))
    turns = range(math.floor((x.min() - right) / turn), math.ceil((x.max() - left) / turn) + 1)
    return [turn * t for t in turns if left + turn * t < x.max() and right + turn * t > x.min()]


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
