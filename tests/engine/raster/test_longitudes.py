"""The same place on the globe, however its longitude is written."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.crs import CRS
from rasterio.enums import Resampling

from engine.errors import InputError
from engine.raster.grids import bounds_in, part, plan
from engine.raster.longitudes import columns_round, continued, goes_round
from engine.raster.reader import Raster
from engine.raster.reference import GridRequest, RasterRef


def box(rows: int, cols: int, cell: float, left: float, top: float, crs: str = "EPSG:4326") -> GeoBox:
    return GeoBox((rows, cols), Affine(cell, 0, left, 0, -cell, top), crs)


def opened(path: str, label: str = "x") -> Raster:
    return Raster(RasterRef(path), label)


def cosine(longitudes: np.ndarray, rows: int) -> np.ndarray:
    return np.tile(np.cos(np.deg2rad(longitudes)), (rows, 1)).astype(np.float32)


def test_axes_that_cross_a_seam_go_on() -> None:
    np.testing.assert_allclose(continued(np.array([350.0, 355, 0, 5])), [350, 355, 360, 365])
    np.testing.assert_allclose(continued(np.array([170.0, 175, 180, -175])), [170, 175, 180, 185])
    np.testing.assert_allclose(continued(np.array([5.0, 0, 355])), [5, 0, -5])


def test_a_turn_has_whole_columns_or_none() -> None:
    assert columns_round(0.25, 360.0) == 1440 and columns_round(-2.5, 360.0) == 144
    assert columns_round(0.7, 360.0) is None and columns_round(1.0, None) is None
    assert columns_round(0.0083333, 360.0) is None and columns_round(0.0083333, 360.0, 0.25) == 43200


@pytest.mark.parametrize("resolution", [2.0, 0.7])
@pytest.mark.parametrize("turn", [-360.0, 360.0])
def test_cells_are_copied_from_another_turn(write_raster, resolution: float, turn: float) -> None:
    values = np.random.default_rng(0).random((6, 8)).astype(np.float32)
    raster = opened(write_raster("r.tif", values, resolution, 230.0, 50.0))
    grid = box(6, 8, resolution, 230.0 + turn, 50.0)
    assert raster.resampling(grid) == Resampling.nearest
    np.testing.assert_array_equal(raster.read(grid, [1], Resampling.nearest)[0], values)
    assert raster.overlaps(grid) and raster.coverage(grid, 1).min() == pytest.approx(1)


def test_a_region_over_the_date_line_serves_both_ends_of_a_world_grid(write_raster) -> None:
    values = np.arange(20, dtype=np.float32)[None].repeat(2, 0)
    raster = opened(write_raster("r.tif", values, 1.0, 170.0, 2.0))
    got = raster.read(box(2, 360, 1.0, -180, 2.0), [1], Resampling.nearest)[0]
    np.testing.assert_array_equal(got[0, 350:], values[0, :10])
    np.testing.assert_array_equal(got[0, :10], values[0, 10:])
    assert np.isnan(got[0, 10:350]).all()


@pytest.mark.parametrize("reverse", [False, True])
def test_a_raster_that_runs_from_east_to_west_goes_round_too(write_raster, reverse: bool) -> None:
    longitudes = np.arange(0.5, 360)
    values = cosine(longitudes, 2)
    if reverse:
        path = write_raster("r.tif", values[:, ::-1].copy(), transform=Affine(-1, 0, 360, 0, -1, 1))
    else:
        path = write_raster("r.tif", values, 1.0, 0.0, 1.0)
    got = opened(path).read(box(2, 40, 1.0, -20, 1), [1], Resampling.nearest)[0, 0]
    np.testing.assert_allclose(got, np.cos(np.deg2rad(-19.5 + np.arange(40))), atol=1e-6)


@pytest.mark.parametrize("left", [0.0, -180.0, -0.5])
@pytest.mark.parametrize("how", [Resampling.bilinear, Resampling.average])
@pytest.mark.parametrize(
    ("crs", "cell", "shape"),
    [
        ("EPSG:6933", 250_000.0, (56, 138)),  # EASE-Grid 2.0, cylindrical
        ("EPSG:8857", 250_000.0, (66, 138)),  # Equal Earth
        ("ESRI:54009", 250_000.0, (72, 144)),  # Mollweide
        ("EPSG:3995", 250_000.0, (60, 60)),  # polar stereographic
        ("EPSG:4258", 2.5, (64, 144)),  # geographic, another datum
    ],
)
def test_a_world_grid_is_covered_from_any_first_meridian(
    write_raster, left: float, how: Resampling, crs: str, cell: float, shape: tuple[int, int]
) -> None:
    longitudes, latitudes = left + np.arange(360) + 0.5, 89.5 - np.arange(180)
    rad = np.deg2rad
    values = np.sin(rad(latitudes))[:, None] + np.cos(rad(latitudes))[:, None] * np.cos(rad(longitudes))
    raster = opened(write_raster("w.tif", values.astype(np.float32), 1.0, left, 90.0))
    rows, cols = shape
    grid = box(rows, cols, cell, -cols * cell / 2, rows * cell / 2, crs)
    got = raster.read(grid, [1], how)[0]
    x, y = grid.affine * np.meshgrid(np.arange(cols) + 0.5, np.arange(rows) + 0.5)
    lon, lat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    inside = np.isfinite(lon) & np.isfinite(lat) & (np.abs(lat) < 89.9)
    lon, lat = np.where(inside, lon, 0), np.where(inside, lat, 0)
    right = np.sin(rad(lat)) + np.cos(rad(lat)) * np.cos(rad(lon))
    # GDAL averages no cell of which a corner lies off the map.
    assert inside.sum() > 3000 and np.isfinite(got[inside]).mean() > (0.98 if "54009" in crs else 0.995)
    both = inside & np.isfinite(got)
    assert np.abs(got - right)[both].max() < 0.06


def test_a_regional_raster_lies_right_under_a_world_map(write_raster) -> None:
    for left in (200.0, -160.0):
        raster = opened(write_raster(f"r{left}.tif", np.ones((40, 60), np.float32), 1.0, left, 20.0))
        got = raster.read(
            box(56, 138, 250_000.0, -17_250_000, 7_000_000, "EPSG:6933"), [1], Resampling.bilinear
        )
        west = np.isfinite(got[0])
        assert west[:, :69].sum() > 350 and not west[:, 69:].any()


def test_an_extent_is_a_place_whatever_its_turn(write_raster) -> None:
    values = cosine(np.arange(0.5, 360), 10)
    world = opened(write_raster("w.tif", values, 1.0, 0.0, 10.0), "target")
    region = opened(write_raster("r.tif", np.ones((10, 40), np.float32), 1.0, 340.0, 10.0), "target")
    for target in (world, region):
        for extent in ((-10, 2, 10, 8), (350, 2, 370, 8)):
            grids = plan(target, 2, GridRequest(extent=extent))
            assert grids.target_cells and grids.output.boundingbox.left == extent[0]
            got = target.read(grids.coarse, [1], Resampling.nearest)[0]
            assert got.shape == (6, 20) and np.isfinite(got).all()
    got = world.read(plan(world, 2, GridRequest(extent=(-10, 2, 10, 8))).coarse, [1], Resampling.nearest)
    np.testing.assert_allclose(got[0, 0], np.cos(np.deg2rad(np.arange(-9.5, 10))), atol=1e-6)


def test_a_reference_at_another_turn_keeps_the_targets_cells(write_raster) -> None:
    values = np.random.default_rng(1).random((8, 8)).astype(np.float32)
    target = opened(write_raster("t.tif", values, 2.0, 230.0, 50.0), "target")
    like = write_raster("l.tif", np.zeros((32, 32), np.uint8), 0.5, -130.0, 50.0)
    grids = plan(target, 4, GridRequest(like=like))
    assert grids.target_cells and grids.coarse.boundingbox == (-130, 34, -114, 50)
    np.testing.assert_array_equal(target.read(grids.coarse, [1], Resampling.nearest)[0], values)


def test_an_output_turns_round_the_globe_once(write_raster) -> None:
    target = opened(write_raster("t.tif", np.ones((4, 36), np.float32), 10.0, 0.0, 20.0), "target")
    with pytest.raises(InputError, match="more than once"):
        plan(target, 2, GridRequest(extent=(-180, 0, 360, 20)))
    with pytest.raises(InputError, match="across the seam of the longitudes 170 to 190"):
        plan(target, 2, GridRequest(extent=(170, 0, -170, 20)))


def test_parts_of_a_grid_are_found_at_any_turn() -> None:
    world, region = box(18, 36, 10, 0, 90), box(18, 4, 10, 340, 90)
    assert goes_round(world) and not goes_round(region)
    assert part(world, (-15, -5, 15, 5), "x").boundingbox == (-20, -10, 20, 10)
    assert part(region, (-15, -5, 15, 5), "x").boundingbox == (-20, -10, 20, 10)
    with pytest.raises(InputError, match="does not overlap the extent"):
        part(region, (100, -5, 115, 5), "x")


def test_bounds_go_on_beyond_the_date_line() -> None:
    fiji = box(10, 20, 100_000, -1_000_000, -1_500_000, "EPSG:3832")
    left, _, right, _ = bounds_in(fiji, CRS.from_epsg(4326))
    assert right > left and right - left == pytest.approx(18, abs=0.3)
    tonga = GeoBox((10, 20), Affine(100_000, 0, 2_500_000, 0, -100_000, -1_500_000), "EPSG:3832")
    left, _, right, _ = bounds_in(tonga, CRS.from_epsg(4326))
    assert left < 180 < right and right - left == pytest.approx(18, abs=0.3)
    world = GeoBox((180, 360), Affine(1, 0, 0, 0, -1, 90), "EPSG:4326")
    left, _, right, _ = bounds_in(world, CRS.from_epsg(6933))
    assert left == pytest.approx(-17367530, abs=10) and right == pytest.approx(17367530, abs=10)
    polar_centred = GeoBox((181, 360), Affine(1, 0, -0.5, 0, -1, 90.5), "EPSG:4326")
    assert np.isfinite(bounds_in(polar_centred, CRS.from_epsg(6933))).all()


def test_a_repeated_last_column_is_read_as_it_stands_and_goes_no_further(write_raster) -> None:
    values = np.arange(37, dtype=np.float32)[None].repeat(2, 0)
    raster = opened(write_raster("w.tif", values, 10.0, -5.0, 10.0))
    got = raster.read(box(2, 41, 10.0, -25, 10), [1], Resampling.nearest)[0, 0]
    np.testing.assert_array_equal(got, [34, 35, *range(37), 1, 2])


@pytest.mark.parametrize("step", [0.0083333, 0.00833334])
def test_a_rounded_step_still_goes_round(write_raster, step: float) -> None:
    values = np.ones((2, 43200), np.uint8)
    raster = opened(write_raster("w.tif", values, transform=Affine(step, 0, 0, 0, -step, 0.02)))
    got = raster.read(box(2, 8, 0.01, -0.04, 0.02), [1], Resampling.bilinear)
    assert np.isfinite(got).all()


def test_grads_go_round_at_400(write_raster) -> None:
    values = np.cos(np.arange(0.5, 400) * np.pi / 200)[None].repeat(4, 0).astype(np.float32)
    raster = opened(write_raster("g.tif", values, 1.0, 0.0, 2.0, crs="EPSG:4807"))
    got = raster.read(GeoBox((2, 8), Affine(1, 0, -4, 0, -1, 1), "EPSG:4807"), [1], Resampling.nearest)[0]
    np.testing.assert_allclose(got[0], np.cos(np.arange(-3.5, 4) * np.pi / 200), atol=1e-6)
