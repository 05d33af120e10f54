"""Reading rasters: any CRS, nodata, scale, orientation, the date line, the poles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling

from engine.errors import InputError
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef

WGS84 = "EPSG:4326"


def write(path: Path, values: np.ndarray, transform: Affine, crs: str | None = WGS84, **profile) -> str:
    values = values if values.ndim == 3 else values[None]
    tags = profile.pop("units", None)
    scales, offsets = profile.pop("scales", None), profile.pop("offsets", None)
    with rasterio.open(
        path, "w", driver="GTiff", count=len(values), height=values.shape[1], width=values.shape[2],
        dtype=values.dtype, transform=transform, crs=crs, **profile,
    ) as file:  # fmt: skip
        file.write(values)
        if tags:
            file.units = (tags,) * len(values)
        if scales:
            file.scales, file.offsets = scales, offsets
    return str(path)


def north_up(resolution: float, left: float, top: float) -> Affine:
    return Affine(resolution, 0, left, 0, -resolution, top)


def box(rows: int, cols: int, resolution: float, left: float, top: float, crs: str = WGS84) -> GeoBox:
    return GeoBox((rows, cols), north_up(resolution, left, top), crs)


def test_scale_offset_nodata_and_units_become_float32_with_nan(tmp_path: Path) -> None:
    stored = np.array([[10, 20], [-999, 40]], np.int16)
    path = write(
        tmp_path / "t.tif", stored, north_up(1, 0, 2), nodata=-999, units="K", scales=(0.1,), offsets=(270.0,)
    )
    raster = Raster(RasterRef(path), "temperature", "degC")
    values = raster.read(raster.geobox, [1], Resampling.nearest)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values[0], [[-2.15, -1.15], [np.nan, 0.85]], atol=1e-4)


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e300])
def test_infinities_and_numbers_beyond_float32_are_refused(value: float, tmp_path: Path) -> None:
    stored = np.full((4, 4), 5.0)
    stored[3, 3] = value
    raster = Raster(RasterRef(write(tmp_path / "x.tif", stored, north_up(1, 0, 4))), "x")
    if np.isfinite(value):  # as large as what programs write for missing cells
        assert np.isnan(raster.read(raster.geobox, [1], Resampling.nearest)[0, 3, 3])
        return
    with pytest.raises(InputError, match="infinite values"):
        raster.read(raster.geobox, [1], Resampling.nearest)


def test_missing_cells_do_not_bleed_into_neighbours(tmp_path: Path) -> None:
    stored = np.full((4, 4), 5.0, np.float32)
    stored[0, 0] = stored[3, 3] = np.nan
    raster = Raster(RasterRef(write(tmp_path / "x.tif", stored, north_up(1, 0, 4))), "x")
    halved = raster.read(box(8, 8, 0.5, 0, 4), [1], Resampling.bilinear)[0]
    assert np.nanmin(halved) == np.nanmax(halved) == 5.0
    assert np.isnan(halved[0, 0]) and np.isnan(halved[7, 7])
    doubled = raster.read(box(2, 2, 2, 0, 4), [1], Resampling.average)[0]
    np.testing.assert_array_equal(doubled, np.full((2, 2), 5.0))


def test_south_up_reads_like_north_up(tmp_path: Path) -> None:
    stored = np.arange(12, dtype=np.float32).reshape(3, 4)
    up = Raster(RasterRef(write(tmp_path / "n.tif", stored, north_up(1, 5, 3))), "n")
    down = Raster(RasterRef(write(tmp_path / "s.tif", stored[::-1], Affine(1, 0, 5, 0, 1, 0))), "s")
    assert up.geobox == down.geobox
    for grid, how in ((up.geobox, Resampling.nearest), (box(6, 8, 0.5, 5, 3), Resampling.bilinear)):
        np.testing.assert_array_equal(up.read(grid, [1], how), down.read(grid, [1], how))


def test_average_weights_by_overlap(tmp_path: Path) -> None:
    stored = np.array([[0.0, 10.0, 20.0]], np.float32)
    raster = Raster(RasterRef(write(tmp_path / "x.tif", stored, north_up(1, 0, 1))), "x")
    grid = GeoBox((1, 2), Affine(1.5, 0, 0, 0, -1, 1), WGS84)
    got = raster.read(grid, [1], raster.resampling(grid, conserve=True))[0, 0]
    np.testing.assert_allclose(got, [10 / 3, (0.5 * 10 + 20) / 1.5], rtol=1e-5)


@pytest.fixture()
def world(tmp_path: Path) -> Raster:
    """A 1° raster of the cosine of longitude, 180°W–180°E."""
    longitude = np.arange(-179.5, 180)
    values = np.tile(np.cos(np.deg2rad(longitude)), (180, 1)).astype(np.float32)
    return Raster(RasterRef(write(tmp_path / "world.tif", values, north_up(1, -180, 90))), "world")


@pytest.mark.parametrize("left", [170.0, -190.0, 350.0])
def test_global_raster_goes_on_across_the_date_line(world: Raster, left: float) -> None:
    grid = box(4, 40, 0.5, left, 10)
    longitude = left + 0.25 + 0.5 * np.arange(40)
    got = world.read(grid, [1], Resampling.bilinear)[0]
    np.testing.assert_allclose(got, np.tile(np.cos(np.deg2rad(longitude)), (4, 1)), atol=2e-3)
    whole = box(2, 20, 1, left, 10)
    exact = world.read(whole, [1], Resampling.nearest)[0]
    np.testing.assert_allclose(exact[0], np.cos(np.deg2rad(left + 0.5 + np.arange(20))), atol=1e-5)


@pytest.mark.parametrize(("how", "cell"), [(Resampling.bilinear, 20_000), (Resampling.average, 400_000)])
def test_projected_grid_over_the_date_line(world: Raster, how: Resampling, cell: float) -> None:
    # EPSG:3832 is centred on 150°E: the date line lies inside.
    count = int(8_000_000 / cell)
    grid = box(4, count, cell, 0, 4 * cell, "EPSG:3832")
    x = (np.arange(count) + 0.5) * cell
    longitude = 150 + x / 111_319.49
    got = world.read(grid, [1], how)[0]
    assert np.isfinite(got).all()
    np.testing.assert_allclose(got[1], np.cos(np.deg2rad(longitude)), atol=6e-3)


def test_polar_grid_is_covered_round_the_pole(tmp_path: Path) -> None:
    latitude = np.arange(89.5, -90, -1)
    values = np.tile(latitude[:, None], (1, 360)).astype(np.float32)
    raster = Raster(RasterRef(write(tmp_path / "lat.tif", values, north_up(1, -180, 90))), "lat")
    grid = box(40, 40, 200_000, -4_000_000, 4_000_000, "EPSG:3995")
    got = raster.read(grid, [1], Resampling.average)[0]
    assert np.isfinite(got).all()
    assert got[20, 20] > 88 and abs(got[20, 0] - got[20, 39]) < 1.5 and abs(got[0, 20] - got[39, 20]) < 1.5


def test_regional_raster_west_of_the_date_line_serves_longitudes_above_180(tmp_path: Path) -> None:
    values = np.full((5, 5), 7.0, np.float32)
    raster = Raster(RasterRef(write(tmp_path / "r.tif", values, north_up(1, -178, 5))), "r")
    got = raster.read(box(5, 10, 1, 177, 5), [1], Resampling.bilinear)[0]
    assert np.isfinite(got[:, 5:]).all() and np.isnan(got[:, :5]).all()
    assert raster.overlaps(box(5, 10, 1, 177, 5)) and not raster.overlaps(box(5, 10, 1, 100, 5))


def test_angles_are_averaged_as_sine_and_cosine(tmp_path: Path) -> None:
    stored = np.array([[350.0, 10.0], [350.0, 10.0]], np.float32)
    raster = Raster(RasterRef(write(tmp_path / "a.tif", stored, north_up(1, 0, 2))), "aspect")
    sine, cosine = raster.read(box(1, 1, 2, 0, 2), [1], Resampling.average, "angle")
    assert abs(sine[0, 0]) < 1e-6 and cosine[0, 0] > 0.98


def test_classes_become_fractions(tmp_path: Path) -> None:
    stored = np.array([[1, 1, 2, 0], [3, 1, 2, 2]], np.uint8)
    path = write(tmp_path / "c.tif", stored, north_up(1, 0, 2), nodata=0)
    raster = Raster(RasterRef(path), "land use")
    got = raster.read(box(1, 2, 2, 0, 2), [1], Resampling.average, "class", (1, 2, 3))[:, 0]
    np.testing.assert_allclose(got, [[0.75, 0], [0, 1], [0.25, 0]], atol=1e-6)


def test_a_fine_source_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random((256, 256)).astype(np.float32)
    raster = Raster(RasterRef(write(tmp_path / "f.tif", values, north_up(1, 0, 256), "EPSG:3035")), "f")
    grid = box(16, 16, 16, 0, 256, "EPSG:3035")
    whole = raster.read(grid, [1], Resampling.average)
    monkeypatch.setattr("engine.raster.reader.READ_LIMIT", 2000)
    np.testing.assert_allclose(raster.read(grid, [1], Resampling.average), whole, rtol=1e-5)
    np.testing.assert_allclose(whole[0], values.reshape(16, 16, 16, 16).mean((1, 3)), rtol=1e-5)


def test_coverage_counts_what_lies_beyond_the_edge(tmp_path: Path) -> None:
    values = np.ones((10, 10), np.float32)
    values[0, 0] = np.nan
    raster = Raster(RasterRef(write(tmp_path / "c.tif", values, north_up(1, 0, 10))), "c")
    share = raster.coverage(box(2, 3, 5, -2.5, 10), 1)
    np.testing.assert_allclose(share, [[0.5 - 1 / 25, 1, 0.5], [0.5, 1, 0.5]], atol=1e-5)


def test_wrong_rasters_are_refused_in_a_sentence(tmp_path: Path) -> None:
    values = np.ones((2, 2), np.float32)
    with pytest.raises(InputError, match=r"elevation: .*nothing\.tif: the file does not exist"):
        Raster(RasterRef(str(tmp_path / "nothing.tif")), "elevation")
    (tmp_path / "text.tif").write_text("no raster")
    with pytest.raises(InputError, match="cannot be read as a raster"):
        Raster(RasterRef(str(tmp_path / "text.tif")), "x")
    with pytest.raises(InputError, match="has no CRS"):
        Raster(RasterRef(write(tmp_path / "n.tif", values, north_up(1, 0, 2), None)), "x")
    good = write(tmp_path / "g.tif", values, north_up(1, 0, 2), units="K")
    with pytest.raises(InputError, match=r"band 3 .* does not exist: it has 1"):
        Raster(RasterRef(good, 3), "x")
    with pytest.raises(InputError, match="is in K, but mm is wanted"):
        Raster(RasterRef(good), "x", "mm")


def test_a_mask_beside_the_cells_counts(tmp_path: Path) -> None:
    path = write(tmp_path / "m.tif", np.ones((2, 2), np.float32), north_up(1, 5, 2))
    with rasterio.open(path, "r+") as file:
        file.write_mask(np.array([[255, 0], [255, 255]], np.uint8))
    raster = Raster(RasterRef(path), "x")
    got = raster.read(raster.geobox, [1], Resampling.nearest)[0]
    np.testing.assert_array_equal(got, [[1, np.nan], [1, 1]])


def test_large_integers_keep_their_digits_until_they_are_scaled(tmp_path: Path) -> None:
    stored = np.array([[2**30 + 1, 2**30]], np.int32)
    path = write(tmp_path / "i.tif", stored, north_up(1, 5, 2), scales=(1.0,), offsets=(float(-(2**30)),))
    raster = Raster(RasterRef(path), "x")
    np.testing.assert_array_equal(raster.read(raster.geobox, [1], Resampling.nearest)[0], [[1, 0]])


def test_a_negative_scale_of_fractions_counts(tmp_path: Path) -> None:
    stored = np.array([[0.5, 1.5], [2.5, 3.5]], np.float32)
    path = write(tmp_path / "x.tif", stored, north_up(1, 0, 2))
    with rasterio.open(path, "r+") as file:
        file.scales = [-0.1]
    raster = Raster(RasterRef(path), "x")
    np.testing.assert_allclose(
        raster.read(raster.geobox, [1], Resampling.nearest)[0], stored * -0.1, rtol=1e-6
    )


def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "c.tif", np.full((2, 2), 1 + 2j, np.complex64), north_up(1, 0, 2))
    with pytest.raises(InputError, match=r"target: .*c\.tif holds complex numbers"):
        Raster(RasterRef(path), "target")


def test_a_scale_of_modis_divides_in_a_geotiff_too(tmp_path: Path) -> None:
    ndvi = np.array([[0.1, 0.25], [0.5, 0.9]])
    stored = (ndvi * 10000).astype(np.int16)
    for name, scale in (("good.tif", 0.0001), ("inverse.tif", 10000.0)):
        path = write(tmp_path / name, stored, north_up(1, 0, 2), scales=(scale,), offsets=(0.0,))
        raster = Raster(RasterRef(path), "ndvi", "1")
        np.testing.assert_allclose(raster.read(raster.geobox, [1], Resampling.nearest)[0], ndvi, rtol=1e-5)
