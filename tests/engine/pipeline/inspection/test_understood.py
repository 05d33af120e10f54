"""What is said of each input before a run, and by a check that runs nothing."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import gettempdir

import netCDF4
import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from engine.commands.cli import main
from engine.errors import InputError
from engine.feedback import Silent
from engine.pipeline.inspection.unstated_scale import check_scale, unstated_scale
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef


class Recorder(Silent):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.logged: list[str] = []

    def log(self, message: str, level: str = "info") -> None:
        """Keep a line."""
        self.logged.append(message)


RAIN = np.random.default_rng(0).gamma(2.0, 40.0, (8, 8)).astype("f4")


def write(path: Path, values: np.ndarray) -> str:
    """Write a GeoTIFF of one band at 100° E, 10° N, of 16° × 16°."""
    size = 16 / values.shape[0]
    shape = {"height": values.shape[0], "width": values.shape[1], "count": 1, "dtype": values.dtype}
    place = {"crs": "EPSG:4326", "transform": from_origin(100, 10, size, size)}
    with rasterio.open(path, "w", driver="GTiff", **place, **shape) as file:
        file.write(values, 1)
    return str(path)


@pytest.fixture()
def rain(tmp_path: Path) -> str:
    """Two months of rain in kg m-2 s-1, of a file without a grid mapping, with cells of −9999."""
    values = np.stack([RAIN, RAIN]) / 86400 / 30
    values[:, 0, 0] = -9999
    path = tmp_path / "rain.nc"
    with netCDF4.Dataset(path, "w") as file:
        axes = {
            "time": ([15.0, 45.0], "days since 2001-01-01"),
            "lat": (9 - 2 * np.arange(8.0), "degrees_north"),
            "lon": (101 + 2 * np.arange(8.0), "degrees_east"),
        }
        for name, (numbers, units) in axes.items():
            file.createDimension(name, len(numbers))
            axis = file.createVariable(name, "f8", (name,))
            axis[:] = numbers
            axis.units = units
        file["time"].calendar = "360_day"
        held = file.createVariable("pr", "f4", ("time", "lat", "lon"), fill_value=False)
        held.units = "kg m-2 s-1"
        held[:] = values
    return str(path)


def test_a_check_says_what_is_understood_and_writes_nothing(rain: str, tmp_path: Path, capsys) -> None:
    there = set(Path(gettempdir()).glob("msr-check*")), set(tmp_path.iterdir())
    command = ["super-resolve", "--model", "rainitur8", "--target", rain]
    assert main([*command, "--date", "2001-02", "--check", "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    target = told["inputs"][0]
    assert (target["name"], target["variable"]) == ("target", "pr")
    assert target["units"].startswith("kg m-2 s-1 → mm/month")
    assert target["dates"] == "2001-01 to 2001-02 (2 dates, step month, calendar 360_day)"
    assert "EPSG:4326" in target["notes"][0]
    assert target["covered"] == pytest.approx(63 / 64, abs=0.02)
    assert any("-9999 is taken as missing" in line for line in told["warnings"])
    assert (told["width"], told["height"], told["dates"]) == (64, 64, ["2001-02"])
    assert (set(Path(gettempdir()).glob("msr-check*")), set(tmp_path.iterdir())) == there


def test_the_same_is_told_before_the_first_tile(rain: str, tmp_path: Path) -> None:
    from engine.pipeline.request import SuperResolveRequest
    from engine.pipeline.super_resolve import super_resolve

    feedback = Recorder()
    request = SuperResolveRequest(
        "bilinear", RasterRef(rain), str(tmp_path / "o.tif"), factor=2, date="2001-02"
    )
    super_resolve(request, feedback)
    assert any(line.startswith("target: pr; kg m-2 s-1") for line in feedback.logged)


def test_the_log_of_a_batch_job_tells_it_too(rain: str, tmp_path: Path, capsys) -> None:
    command = ["super-resolve", "--model", "rainitur8", "--date", "2001-02", "--target", rain]
    assert main([*command, "--output", str(tmp_path / "o.tif")]) == 0
    told = capsys.readouterr().out
    assert told.startswith("target: pr; kg m-2 s-1 → mm/month, by the length of each month;")
    assert main([*command, "--output", str(tmp_path / "o.tif"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["dates"] == ["2001-02"], "and nothing else"


def test_a_user_states_units_missing_numbers_and_scale(tmp_path: Path, capsys) -> None:
    raw = np.round(RAIN * 10).astype("i4")
    raw[0, 0] = 77777
    path = write(tmp_path / "raw.tif", raw)
    output = tmp_path / "fine.tif"
    said = ["--units", "target=mm/month", "--nodata", "target=77777", "--scale", "target=0.1"]
    command = [
        "super-resolve",
        "--model",
        "bilinear",
        "--factor",
        "2",
        "--target",
        path,
        "--output",
        str(output),
    ]
    assert main([*command, *said]) == 0
    with rasterio.open(output) as file:
        fine = file.read(1, masked=True).filled(np.nan)
        assert file.units == ("mm/month",)
    means = fine.reshape(8, 2, 8, 2).mean((1, 3))
    expected = np.where(raw == 77777, np.nan, raw / 10)
    np.testing.assert_allclose(means, expected, rtol=1e-4)
    assert main([*command, "--units", "rain=mm"]) == 2
    assert "name of a raster of this run (target)" in capsys.readouterr().err
    assert main([*command, "--scale", "target=x"]) == 2
    assert "'x' is no number" in capsys.readouterr().err


@pytest.mark.parametrize(("most", "scale"), [(9000, 1e-4), (0.9, None), (15, None)])
def test_whole_numbers_are_scaled_where_one_scale_alone_fits(
    most: float, scale: float | None, tmp_path: Path
) -> None:
    ndvi = np.linspace(0.1 * most, most, 64).reshape(8, 8)
    values = ndvi.astype("i2") if most > 1 else ndvi.astype("f4")
    raster = Raster(RasterRef(write(tmp_path / "ndvi.tif", values)), "ndvi", "1")
    assert unstated_scale(raster, (-0.05, 0.92)) == (None if scale is None else pytest.approx(scale))


def test_a_scale_that_was_applied_before_is_refused_where_nothing_is_left(tmp_path: Path) -> None:
    path = write(tmp_path / "ndvi.tif", np.linspace(0.1, 0.9, 64, dtype="f4").reshape(8, 8))
    with rasterio.open(path, "r+") as file:
        file.scales = (1e-4,)
    with pytest.raises(InputError, match=r"at most 9e-05.*give the scale 1 \(--scale ndvi=1\)"):
        check_scale(Raster(RasterRef(path), "ndvi", "1"), (-0.05, 0.92))
    check_scale(Raster(RasterRef(path, scale=1.0), "ndvi", "1"), (-0.05, 0.92))
    check_scale(Raster(RasterRef(path), "ndvi", "1"), (0.0, 1e-4))


def test_whole_numbers_that_two_scales_fit_are_asked_about(tmp_path: Path) -> None:
    values = np.linspace(100, 900, 64).reshape(8, 8).astype("i2")
    raster = Raster(RasterRef(write(tmp_path / "ndvi.tif", values)), "ndvi", "1")
    with pytest.raises(InputError, match=r"1/1000 or 1/10000: state it \(--scale ndvi=0.0001\)"):
        unstated_scale(raster, (-0.05, 0.92))
