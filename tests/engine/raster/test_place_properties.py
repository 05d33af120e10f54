"""The same place on the globe gives the same values, whichever way a raster and a grid count longitudes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling

from engine.raster.georeference import Georeference
from engine.raster.grids import plan, refine, window
from engine.raster.longitudes import continued
from engine.raster.reader import Raster
from engine.raster.reference import GridRequest, RasterRef

STEPS = (30.0, 20.0, 22.5, 10.0)
TURNS = st.integers(-2, 2)


def write(folder: str, values: np.ndarray, transform: Affine, crs: str = "EPSG:4326") -> str:
    """Write a raster of one band."""
    path = Path(folder) / "field.tif"
    rows, cols = values.shape
    profile = {"dtype": "float32", "count": 1, "height": rows, "width": cols, "nodata": np.nan}
    with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=transform, **profile) as file:
        file.write(values.astype(np.float32), 1)
    return str(path)


def numbered(rows: int, cols: int) -> np.ndarray:
    """A field in which every cell has a number of its own."""
    return np.arange(1.0, rows * cols + 1).reshape(rows, cols)


@st.composite
def globes(draw: st.DrawFn) -> tuple[float, int, int, int, int, int]:
    """Cell size, the meridian of a world raster, and a window: first column, width, turn, first row."""
    step = draw(st.sampled_from(STEPS))
    columns = round(360 / step)
    return (
        step,
        draw(st.integers(0, columns - 1)),
        draw(st.integers(-columns, columns)),
        draw(st.integers(1, columns)),
        draw(st.integers(-1, 1)),
        draw(st.integers(0, 2)),
    )


@settings(max_examples=40)
@given(globes())
def test_a_window_of_the_globe_is_the_same_at_every_turn(
    drawn: tuple[float, int, int, int, int, int],
) -> None:
    step, meridian, first, width, turn, top = drawn
    columns, rows = round(360 / step), 4
    world = numbered(rows, columns)  # column 0 begins at 180° W
    left = -180 + meridian * step
    grid = GeoBox(
        (2, width),
        Affine(step, 0, -180 + first * step + 360 * turn, 0, -step, 40 - top * step),
        "EPSG:4326",
    )
    expected = world[top : top + 2][:, (first + np.arange(width)) % columns]
    with tempfile.TemporaryDirectory() as folder:
        path = write(folder, np.roll(world, -meridian, axis=1), Affine(step, 0, left, 0, -step, 40))
        raster = Raster(RasterRef(path), "target")
        try:
            read = raster.read(grid, [1], raster.resampling(grid))[0]
        finally:
            raster.close()
    np.testing.assert_array_equal(read, expected)


@settings(max_examples=25)
@given(
    st.sampled_from((0.25, 0.1, 1 / 3, 2.5)),
    st.integers(-140, 130),
    st.integers(2, 9),
    st.integers(-3, 9),
    st.integers(-3, 9),
    TURNS,
    st.booleans(),
    st.booleans(),
)
def test_a_region_keeps_its_place(
    step: float, first: int, size: int, row: int, col: int, turn: int, south_up: bool, east_first: bool
) -> None:
    """A region and a window that may reach beyond it: NaN there, the same cells inside."""
    left, top = first * step, 10 * step
    field = numbered(size, size)
    stored = field[:: -1 if south_up else 1, :: -1 if east_first else 1]
    e, f = (step, top - size * step) if south_up else (-step, top)
    a, c = (-step, left + size * step) if east_first else (step, left)
    grid = GeoBox(
        (4, 5), Affine(step, 0, left + col * step + 360 * turn, 0, -step, top - row * step), "EPSG:4326"
    )
    expected = np.full((4, 5), np.nan)
    for i in range(4):
        for j in range(5):
            if 0 <= row + i < size and 0 <= col + j < size:
                expected[i, j] = field[row + i, col + j]
    with tempfile.TemporaryDirectory() as folder:
        raster = Raster(RasterRef(write(folder, stored, Affine(a, 0, c, 0, e, f))), "target")
        try:
            read = raster.read(grid, [1], Resampling.nearest)[0]
        finally:
            raster.close()
    np.testing.assert_array_equal(read, expected)


@given(st.floats(-500, 500), st.lists(st.floats(0.01, 170), min_size=1, max_size=20), st.booleans())
def test_an_axis_goes_on_over_its_seam(first: float, steps: list[float], west: bool) -> None:
    whole = first + np.concatenate([[0], np.cumsum(steps)])
    written = whole % 360 if west else (whole + 180) % 360 - 180
    found = continued(written)
    np.testing.assert_allclose(np.diff(found), steps, atol=1e-9)
    np.testing.assert_allclose((found - whole + 180) % 360, 180, atol=1e-9)


@given(st.integers(2, 9), st.integers(-20, 20), st.integers(-20, 20), st.integers(1, 30), st.integers(1, 30))
def test_a_window_refined_is_the_refined_ones_window(
    factor: int, row: int, col: int, rows: int, cols: int
) -> None:
    grid = GeoBox((12, 15), Affine(0.3, 0, -7.1, 0, -0.3, 51.9), "EPSG:4326")
    one = refine(window(grid, row, col, rows, cols), factor)
    two = window(refine(grid, factor), row * factor, col * factor, rows * factor, cols * factor)
    assert one.shape == two.shape == (rows * factor, cols * factor)
    np.testing.assert_allclose(tuple(one.affine), tuple(two.affine), atol=1e-9)


@given(st.integers(-30, 30), st.integers(-30, 30), TURNS, st.floats(-2e-4, 2e-4))
def test_a_grids_place_in_a_raster_is_found(row: int, col: int, turn: int, off: float) -> None:
    """Also where a turn separates them and coordinates are rounded; not half a cell beside."""
    step = 0.5
    place = Georeference(rasterio.crs.CRS.from_epsg(4326), Affine(step, 0, 3, 0, -step, 50), 20, 20)
    affine = Affine(step, 0, 3 + (col + off) * step + 360 * turn, 0, -step, 50 - (row + off) * step)
    found = place.place(GeoBox((8, 8), affine, "EPSG:4326"))
    assert found is not None
    assert found[0] == row and (found[1] - col) % 720 == 0
    beside = Affine(step, 0, affine.c + step / 2, 0, -step, affine.f)
    assert place.place(GeoBox((8, 8), beside, "EPSG:4326")) is None


@settings(max_examples=40)
@given(
    st.integers(2, 5), st.integers(0, 20), st.integers(0, 20), st.integers(2, 12), st.integers(2, 12), TURNS
)
def test_a_grid_asked_for_is_the_one_laid_out(
    factor: int, row: int, col: int, rows: int, cols: int, turn: int
) -> None:
    """An extent of fine cells: these cells are written, and the coarse cells are the target's own."""
    step = 0.5
    fine = step / factor
    with tempfile.TemporaryDirectory() as folder:
        target = Raster(
            RasterRef(write(folder, numbered(12, 12), Affine(step, 0, 10, 0, -step, 50))), "target"
        )
        try:
            left, top = 10 + col * fine + 360 * turn, 50 - row * fine
            grids = plan(
                target, factor, GridRequest(extent=(left, top - rows * fine, left + cols * fine, top))
            )
        finally:
            target.close()
    assert grids.target_cells and grids.output.shape == (rows, cols)
    assert abs(grids.output.affine.f - top) < 1e-9
    assert abs((grids.output.affine.c - left + 180) % 360 - 180) < 1e-9
    first_row, first_col = row // factor, col // factor
    assert (grids.row, grids.col) == (row - first_row * factor, col - first_col * factor)
    assert grids.coarse.shape == (
        -(-(row + rows) // factor) - first_row,
        -(-(col + cols) // factor) - first_col,
    )
    assert abs(grids.coarse.affine.f - (50 - first_row * step)) < 1e-9
