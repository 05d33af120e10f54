"""Runs whose rasters write the same place on the globe in different ways."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.warp import Resampling, reproject

from engine.feedback import Silent
from engine.pipeline.request import SuperResolveRequest, SuperResolveResult
from engine.pipeline.super_resolve import super_resolve
from engine.raster.reference import GridRequest, RasterRef


def run(request: SuperResolveRequest) -> SuperResolveResult:
    return super_resolve(request, Silent())


def read(path: str | Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(1, masked=True).filled(np.nan)


def block_mean(values: np.ndarray, k: int) -> np.ndarray:
    rows, cols = values.shape
    return values.reshape(rows // k, k, cols // k, k).astype(np.float64).mean((1, 3))


def named(result: SuperResolveResult, source: str) -> float:
    return next(s.covered for s in result.sources if s.name == source)


@pytest.mark.parametrize("cell", [0.5, 0.3])  # parts of the target's cells, and cells of its own
def test_a_target_east_of_180_onto_a_reference_west_of_greenwich(
    write_raster, tmp_path: Path, cell: float
) -> None:
    values = np.random.default_rng(0).gamma(2.0, 5.0, (8, 8)).astype(np.float32)
    like = write_raster("like.tif", np.zeros((32, 32), np.uint8), cell, -130.0, 50.0)
    made = {}
    for left in (230.0, -130.0):
        target = write_raster(f"t{left}.tif", values, 2.0, left, 50.0, units="mm")
        out = str(tmp_path / f"o{left}.tif")
        result = run(SuperResolveRequest("bicubic", RasterRef(target), out, factor=4, grid=GridRequest(like)))
        assert result.covered == 1.0
        made[left] = read(out), result.residual_original
        with rasterio.open(out) as file:
            assert file.bounds.left == -130
    np.testing.assert_array_equal(made[230.0][0], made[-130.0][0])
    assert made[230.0][1] == pytest.approx(made[-130.0][1], rel=1e-5)


@pytest.mark.parametrize("source_left", [-130.0, 230.0])
@pytest.mark.parametrize("target_left", [-130.0, 230.0])
def test_a_climatology_at_another_turn_makes_the_same_field(
    write_raster, tmp_path: Path, source_left: float, target_left: float
) -> None:
    fine = np.random.default_rng(0).gamma(2.0, 40.0, (32, 32)).astype(np.float32)
    climatology = write_raster("c.tif", fine, 0.5, source_left, 50.0, units="mm/month")
    target = write_raster(
        "t.tif", block_mean(fine, 4).astype(np.float32), 2.0, target_left, 50.0, units="mm/month"
    )
    out = str(tmp_path / "o.tif")
    request = SuperResolveRequest("climatologyratioflat", RasterRef(target), out, factor=4)
    result = run(replace(request, sources={"climatology": RasterRef(climatology)}))
    assert named(result, "climatology") == 1.0
    # The truth's own ratio to its mean gives the truth back.
    np.testing.assert_allclose(read(out), fine, rtol=1e-4, atol=1e-3)
    with rasterio.open(out) as file:
        assert file.bounds.left == target_left


@pytest.mark.parametrize("left", [0.0, -180.0])
def test_a_source_on_any_axis_covers_a_world_target_in_an_equal_area_projection(
    write_raster, tmp_path: Path, left: float
) -> None:
    height = np.random.default_rng(0).random((180, 360)) * 3000
    k, cell = 4, 288_257.76672
    grid = Affine(cell, 0, -17367530.445161, 0, -cell, 6_000_000)
    fine = np.zeros((40 * k, 120 * k), np.float32)
    reproject(
        height.astype(np.float32),
        fine,
        src_transform=Affine(1, 0, -180, 0, -1, 90),
        src_crs="EPSG:4326",
        dst_transform=grid * Affine.scale(1 / k),
        dst_crs="EPSG:6933",
        resampling=Resampling.bilinear,
    )
    warmth = (20 - 6.5e-3 * fine).astype(np.float32)
    values = np.roll(height, 180 if left == 0 else 0, axis=1).astype(np.float32)
    elevation = write_raster("z.tif", values, 1.0, left, 90.0, units="m")
    coarse = block_mean(warmth, k).astype(np.float32)
    target = write_raster("t.tif", coarse, transform=grid, crs="EPSG:6933", units="degC")
    out = str(tmp_path / "o.tif")
    request = SuperResolveRequest("elevationregression", RasterRef(target), out, factor=k)
    result = run(replace(request, sources={"elevation": RasterRef(elevation)}))
    assert named(result, "elevation") == 1.0
    error = np.sqrt(np.square(read(out) - warmth).mean(axis=0))
    assert error[: 60 * k].mean() < 0.5 and error[60 * k :].mean() < 0.5


@pytest.mark.parametrize("extent", [(-20.0, -20.0, 20.0, 20.0), (340.0, -20.0, 380.0, 20.0)])
@pytest.mark.parametrize("left", [0.0, -180.0])
def test_an_extent_across_a_seam_of_a_world_raster(
    write_raster, tmp_path: Path, extent: tuple[float, float, float, float], left: float
) -> None:
    longitudes = left + 5 + 10 * np.arange(36)
    values = (10 + np.cos(np.deg2rad(longitudes)))[None].repeat(18, 0).astype(np.float32)
    target = write_raster("t.tif", values, 10.0, left, 90.0, units="degC")
    out = str(tmp_path / "o.tif")
    request = SuperResolveRequest(
        "bilinear", RasterRef(target), out, factor=2, grid=GridRequest(extent=extent)
    )
    result = run(request)
    assert result.covered == 1.0 and result.residual_original == result.residual < 1e-4
    means = block_mean(read(out), 2)
    np.testing.assert_allclose(means[0], 10 + np.cos(np.deg2rad(np.arange(-15, 20, 10))), atol=1e-4)
    with rasterio.open(out) as file:
        assert tuple(file.bounds) == extent


def test_means_are_kept_over_the_seam_on_a_foreign_grid(write_raster, tmp_path: Path) -> None:
    values = np.random.default_rng(2).random((18, 36)).astype(np.float32)
    target = write_raster("t.tif", values, 10.0, 0.0, 90.0, units="degC")
    out = str(tmp_path / "o.tif")
    grid = GridRequest(resolution=5.0, extent=(-47.0, -30.0, 43.0, 30.0))
    result = run(SuperResolveRequest("bilinear", RasterRef(target), out, factor=2, grid=grid))
    assert not np.isnan(result.residual_original) and result.covered == 1.0
    with rasterio.open(out) as file:
        assert file.bounds.left == -47


def test_a_repeated_last_column_keeps_its_own_values_and_is_told(write_raster, tmp_path: Path) -> None:
    values = np.random.default_rng(3).random((18, 37)).astype(np.float32) + 5
    target = write_raster("t.tif", values, 10.0, -5.0, 90.0, units="degC")
    out = str(tmp_path / "o.tif")
    result = run(SuperResolveRequest("bicubic", RasterRef(target), out, factor=2))
    np.testing.assert_allclose(block_mean(read(out), 2), values, atol=1e-5)
    assert any("lies on the first one again" in line for line in result.warnings)
