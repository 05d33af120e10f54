"""The grids of a job, and the tiles that cover them."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from engine.errors import InputError, OutOfMemoryError
from engine.pipeline.tiles import Tile, TileQueue, edge
from engine.raster.grids import cell_sizes, origin, plan, relative_area, resolution_metres, window
from engine.raster.reader import Raster
from engine.raster.reference import GridRequest, RasterRef


@pytest.fixture()
def target(write_raster) -> Raster:
    values = np.ones((6, 9), np.float32)
    return Raster(RasterRef(write_raster("t.tif", values, 2.0, 10.0, 50.0)), "target")


def test_default_grid_divides_the_targets_own_cells(target: Raster) -> None:
    grids = plan(target, 8, None)
    assert grids.coarse == target.geobox and grids.target_cells
    assert grids.output.shape == (48, 72) and grids.output == grids.fine
    assert grids.output.affine == Affine(0.25, 0, 10, 0, -0.25, 50)


def test_an_aligned_extent_keeps_the_targets_cells_and_is_cropped(target: Raster) -> None:
    grids = plan(target, 8, GridRequest(extent=(12.5, 44.25, 17.0, 47.0)))
    assert grids.target_cells and grids.coarse.boundingbox == (12, 44, 18, 48)
    assert (grids.row, grids.col) == (4, 2) and grids.output.shape == (11, 18)
    same = grids.fine[grids.row : grids.row + 11, grids.col : grids.col + 18]
    assert same.boundingbox == grids.output.boundingbox


def test_a_foreign_grid_is_extended_to_whole_coarse_cells(target: Raster, write_raster) -> None:
    reference = write_raster("r.tif", np.zeros((50, 61), np.uint8), 10_000, 4_000_000, 3_000_000, "EPSG:3035")
    grids = plan(target, 20, GridRequest(like=reference))
    assert not grids.target_cells
    assert grids.coarse.shape == (3, 4) and grids.coarse.affine.a == 200_000
    assert grids.output.shape == (50, 61) and (grids.row, grids.col) == (0, 0)
    asked = plan(
        target, 20, GridRequest(crs="EPSG:3035", resolution=10_000, extent=(4e6, 2.5e6, 4.61e6, 3e6))
    )
    assert asked.output == grids.output


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (GridRequest(crs="EPSG:3035"), "needs a resolution"),
        (GridRequest(crs="EPSG:999999"), "is unknown"),
        (GridRequest(resolution=-1), "not a positive number"),
        (GridRequest(extent=(5, 5, 4, 6)), "is empty"),
        (GridRequest(extent=(100, 0, 101, 1)), "does not overlap"),
        (GridRequest(resolution=1e-9), "check the resolution"),
        (GridRequest(resolution=1e10), "check the resolution"),
        (GridRequest(resolution=1e300), "check the resolution"),
        (GridRequest(crs="EPSG:3857", resolution=1e10), "would reach to .* check the resolution"),
        (GridRequest(crs="EPSG:3857", resolution=1e300), "would reach to .* check the resolution"),
        (GridRequest(resolution=10, extent=(0, -300, 40, 300)), "would reach to latitude -?300: .* extent"),
        (GridRequest(resolution=10, extent=(730, 0, 740, 50)), "would reach to longitude 740: .* extent"),
        (GridRequest(resolution=7, extent=(-180, -90, 185, 90)), "more than once"),
    ],
)
def test_wrong_grids_are_refused(target: Raster, wanted: GridRequest, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        plan(target, 8, wanted)


def test_cells_centred_on_a_pole_may_be_divided_finely(write_raster) -> None:
    step = 2.5  # from pole to pole in 73 rows
    name = write_raster("t.tif", np.ones((73, 8), np.float32), transform=Affine(step, 0, 0, 0, -step, 91.25))
    raster = Raster(RasterRef(name, crs="EPSG:4326"), "target")
    output = plan(raster, 2, GridRequest(resolution=0.5)).output
    fine = write_raster("f.tif", np.ones(output.shape, np.float32), transform=output.affine)
    assert Raster(RasterRef(fine, crs="EPSG:4326"), "output").height == 365


def test_rotated_target_is_refused(write_raster) -> None:
    turned = Affine.rotation(20) * Affine.scale(1, -1)
    raster = Raster(RasterRef(write_raster("t.tif", np.ones((3, 3), np.float32), transform=turned)), "target")
    with pytest.raises(InputError, match="rotated"):
        plan(raster, 2, None)


def test_cell_sizes_and_areas_follow_the_ellipsoid() -> None:
    grid = GeoBox((180, 10), Affine(1, 0, 0, 0, -1, 90), "EPSG:4326")
    tall, wide = cell_sizes(grid)
    assert tall[90] == pytest.approx(110_574, rel=1e-3) and wide[90] == pytest.approx(111_315, rel=1e-3)
    assert wide[30] == pytest.approx(wide[90] * np.cos(np.deg2rad(59.5)), rel=5e-3)
    area = relative_area(grid)
    assert area is not None and area[89] == 1 and area[29] == pytest.approx(0.5, abs=0.01)
    metric = GeoBox((3, 4), Affine(500, 0, 0, 0, -500, 0), "EPSG:3035")
    assert (cell_sizes(metric) == 500).all() and relative_area(metric) is None
    assert resolution_metres(metric) == 500
    feet = GeoBox((3, 4), Affine(100, 0, 0, 0, -100, 0), "EPSG:2263")
    assert cell_sizes(feet)[0, 0] == pytest.approx(30.48, rel=1e-4)


def test_tiles_cover_the_grid_once() -> None:
    count = np.zeros((23, 31), int)
    for tile in TileQueue(23, 31, 7):
        count[tile.row : tile.row + tile.rows, tile.col : tile.col + tile.cols] += 1
    assert (count == 1).all()


def test_shrinking_still_covers_the_grid_once() -> None:
    count, queue, failed = np.zeros((23, 31), int), TileQueue(23, 31, 9), 0
    number = 0
    while number < len(queue):
        tile = queue[number]
        if max(tile.rows, tile.cols) > 3:
            failed += 1
            queue.shrink(number)
            number = 0
            continue
        count[tile.row : tile.row + tile.rows, tile.col : tile.col + tile.cols] += 1
        number += 1
    assert (count == 1).all() and failed > 1
    with pytest.raises(OutOfMemoryError):
        Tile(0, 0, 1, 1).split()


def test_tile_edge_obeys_memory() -> None:
    roomy = edge(8, 6, 100, 1e12, (2000, 2000))
    assert roomy * 8 >= 1000
    tight = edge(8, 6, 100, 1e8, (2000, 2000))
    assert (tight + 12) ** 2 * 64 * 100 <= 1e8
    assert edge(100, 6, 1e6, 1, (50, 50)) == 1
    assert (
        edge(8, 6, 100, 1e12, (2000, 2000), 1500) == 1500
        and edge(8, 6, 100, 1e8, (2000, 2000), 1500) == tight
    )


@pytest.mark.parametrize("left", [-180.0, 10.0, 9.5, 4_321_000.0])
@pytest.mark.parametrize("size", [0.25, 1 / 3, 2.0, 500.0])
def test_a_part_of_a_grid_keeps_its_numbers(left: float, size: float) -> None:
    whole = GeoBox((40, 60), Affine(size, 0, left, 0, -size, left / 2), "EPSG:3857")
    row, col = origin(whole)
    for down, right in ((0, 0), (7, 13), (-3, 39)):
        assert origin(window(whole, down, right, 2, 2)) == (row + down, col + right)
