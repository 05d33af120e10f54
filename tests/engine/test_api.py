"""The lazy interface for Python: what it says before any work, and that it makes the command line's bits."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray

from engine import api
from engine.errors import EngineError, InputError
from engine.files.root import ROOT
from engine.raster.reference import RasterRef
from tests.engine.pipeline.noisy_rain import package
from tests.engine.pipeline.rough_ground import CELL, UTM, block_mean
from tests.engine.pipeline.rough_ground import ground as rough

pytest.importorskip("dask")
from engine.cluster import lazy_field
from engine.cluster.step_job import OPEN_JOBS

DATES = ["2001-01", "2001-02", "2001-03"]


@pytest.fixture(autouse=True)
def hushed():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


@pytest.fixture()
def rain(write_raster) -> str:
    """Three months of rain with a hole, on degrees."""
    values = np.random.default_rng(1).gamma(2.0, 30, (3, 9, 14)).astype(np.float32)
    values[:, 4, 9] = np.nan
    return write_raster("rain.tif", values, 2.0, 11, 40, units="mm", dates=DATES)


@pytest.fixture()
def ground(write_raster) -> str:
    values = np.random.default_rng(2).gamma(1.0, 400, (36, 56)).astype(np.float32)
    return write_raster("dem.tif", values, 0.5, 11, 40, units="m")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package(tmp_path_factory.mktemp("models"), "noisyrain", 2)


def by_command(output: Path, *arguments: str) -> xarray.DataArray:
    """Return what the command line writes, as NetCDF, in a process with as many threads as this one."""
    import torch

    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    subprocess.run(
        [sys.executable, "-s", "-m", "engine", "super-resolve", *arguments, "--output", str(output)],
        check=True,
        cwd=ROOT,
        env=environment,
    )
    data = xarray.open_dataset(output, decode_coords="all")
    return data[next(iter(data.data_vars))].load()


def same_bits(one: xarray.DataArray, other: xarray.DataArray) -> bool:
    return one.dtype == other.dtype == np.float32 and one.values.tobytes() == other.values.tobytes()


def test_nothing_is_made_before_it_is_asked_for(rain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    make = OPEN_JOBS.make
    monkeypatch.setattr(OPEN_JOBS, "make", lambda *step: made.append(step[1:]) or make(*step))
    field = api.super_resolve(rain, "bicubic", factor=4, all_dates=True, tile=5)
    assert made == []
    assert field.shape == (3, 36, 56) and field.dtype == np.float32
    assert field.chunks == ((1, 1, 1), (20, 16), (20, 20, 16))
    corner = field.isel(time=1, lat=slice(0, 3), lon=slice(50, 56)).compute()
    assert made == [(2, 1)]  # one tile at one date
    assert np.isfinite(corner.values).all()


def test_it_is_the_file_of_the_command_line_to_the_bit(rain: str, tmp_path: Path) -> None:
    field = api.super_resolve(rain, "bicubicsmooth", factor=4, all_dates=True, tile=5)
    written = by_command(
        tmp_path / "o.nc",
        "--model",
        "bicubicsmooth",
        "--factor",
        "4",
        "--target",
        rain,
        "--all",
        "--tile",
        "5",
    )
    assert same_bits(field.compute(), written)
    assert field.dims == written.dims and field.name == written.name
    for name in ("time", "lat", "lon"):
        np.testing.assert_array_equal(field[name], written[name])
    assert field.attrs["units"] == written.attrs["units"] == "mm"
    assert field.attrs["MSR_METHOD"] == "bicubicsmooth" and rain in field.attrs["MSR_INPUTS"]
    assert field.encoding["grid_mapping"] in field.coords
    mapping = field[field.encoding["grid_mapping"]].attrs
    assert "WGS 84" in mapping["spatial_ref"] and mapping["GeoTransform"].startswith("11 0.5 0 40")


def test_a_model_with_a_source_is_that_of_the_command_line(
    rain: str, ground: str, model: Path, tmp_path: Path
) -> None:
    options = ("--precision", "float32", "--tile", "5", "--date", "2001-02")
    field = api.super_resolve(
        rain, model, {"elevation": ground}, date="2001-02", precision="float32", tile=5, seed=3
    )
    written = by_command(
        *(tmp_path / "o.nc", "--model", str(model), "--target", rain, "--source", f"elevation={ground}"),
        *(*options, "--seed", "3"),
    )
    assert same_bits(field.compute(), written)
    assert len(field.attrs["MSR_MODEL_SHA256"]) == 64 and field.attrs["MSR_PRECISION"] == "float32"


def test_a_part_of_the_targets_cells_is_cut_where_the_file_is(rain: str, tmp_path: Path) -> None:
    extent = (14.5, 25.0, 29.0, 37.5)
    field = api.super_resolve(rain, "bilinear", factor=4, date="2001-01", extent=extent, tile=3)
    text = ",".join(map(str, extent))
    written = by_command(
        *(tmp_path / "o.nc", "--model", "bilinear", "--factor", "4", "--target", rain),
        *("--date", "2001-01", "--extent", text, "--tile", "3"),
    )
    assert field.chunks[2][0] == 9  # of the first tile's 12 cells, those inside
    assert same_bits(field.compute(), written)


def test_a_method_that_learns_does_so_when_it_is_computed(write_raster, tmp_path: Path) -> None:
    height = rough(4)
    truth = 15 - 0.0065 * height
    target = write_raster("coarse.tif", block_mean(truth, 4), CELL, **UTM, units="degC")
    dem = write_raster("dem.tif", height, CELL / 4, **UTM, units="m")
    field = api.super_resolve(target, "sharpen", {"dem": dem}, factor=4, quantity="signed", tile=9)
    written = by_command(
        *(tmp_path / "o.nc", "--model", "sharpen", "--factor", "4", "--target", target),
        *("--source", f"dem={dem}", "--quantity", "signed", "--tile", "9"),
    )
    assert field.dims == ("y", "x") and same_bits(field.compute(), written)


@pytest.mark.parametrize("chunks", [None, {"time": 1, "lat": 4}])
def test_an_array_is_read_as_its_file_is(rain: str, tmp_path: Path, chunks: dict | None) -> None:
    path = tmp_path / "coarse.nc"
    by_command(path, "--model", "bilinear", "--factor", "2", "--target", rain, "--all")
    with xarray.open_dataset(path, decode_coords="all", chunks=chunks) as data:
        array = data["rain" if "rain" in data else next(iter(data.data_vars))]
        field = api.super_resolve(array, "bicubic", factor=2, all_dates=True)
        of_file = api.super_resolve(str(path), "bicubic", factor=2, all_dates=True)
        assert same_bits(field.compute(), of_file.compute())
        np.testing.assert_array_equal(field["time"], of_file["time"])
        assert field.attrs["units"] == "mm" and "WGS 84" in field["crs"].attrs["spatial_ref"]


def test_what_opens_a_store_elsewhere_is_told_to_nobody(rain: str, tmp_path: Path) -> None:
    path = tmp_path / "coarse.zarr"
    by_command(tmp_path / "coarse.nc", "--model", "bilinear", "--factor", "2", "--target", rain, "--all")
    with xarray.open_dataset(tmp_path / "coarse.nc", decode_coords="all") as data:
        data.chunk({"time": 1}).to_zarr(path, consolidated=False)
    options = {"token": "s3cret"}  # fsspec takes what it does not know
    far = xarray.open_zarr(f"file://{path}", storage_options=options, consolidated=False, decode_coords="all")
    field = api.super_resolve(far["target"], "bicubic", factor=2, all_dates=True)
    assert np.isfinite(field.isel(time=1).compute().values).any()
    assert "s3cret" not in f"{field.attrs} {field!r} {field.data.dask!r}"


def test_an_array_in_memory_without_a_crs_lies_on_degrees() -> None:
    axes = {"lat": np.arange(5.0), "lon": np.arange(6.0)}
    attributes = {"lat": {"units": "degrees_north"}, "lon": {"units": "degrees_east"}}
    array = xarray.DataArray(np.arange(30.0).reshape(5, 6), axes, ("lat", "lon"), attrs={"units": "K"})
    for name, told in attributes.items():
        array[name].attrs = told
    field = api.super_resolve(array, "bilinear", factor=3, quantity="signed")
    assert field.shape == (15, 18) and float(field.isel(lat=0, lon=0)) > 20  # north up
    assert "the array target" in field.attrs["MSR_INPUTS"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"model": "nomodel"}, "nomodel"),
        ({"model": "bicubic", "factor": 1}, "The factor 1 is not between 2 and 100."),
        ({"model": "bicubic", "factor": 2}, "target has 3 dates: say which date is wanted"),
        ({"model": "bicubic", "factor": 2, "sources": {"x": 3}}, "x is a int: give a path"),
        ({"model": "bicubic", "like": "a.tif", "crs": "EPSG:3035"}, "like gives the whole grid"),
        ({"model": 5}, "model is a int: give a model's id or folder, or a simple method."),
        ({"model": "bicubic", "factor": "2"}, "factor is a str: give a whole number."),
        ({"model": "bicubic", "factor": 2.5}, "factor is a float: give a whole number."),
        ({"model": "bicubic", "tile": None}, "tile is a NoneType: give a whole number."),
        ({"model": "bicubic", "seed": "a"}, "seed is a str: give a whole number."),
        ({"model": "bicubic", "conservation": "1"}, "conservation is a str: give a number."),
        (
            {"model": "bicubic", "date": np.datetime64("2001-02")},
            "date is a datetime64: give a text, such as",
        ),
        ({"model": "bicubic", "extent": "1,2,3,4"}, "extent is a str: give 4 numbers."),
        ({"model": "bicubic", "extent": (1, 2, 3)}, "extent has 3 entries: give 4 numbers."),
        ({"model": "bicubic", "extent": (1, 2, 3, "x")}, "extent is a str: give a number."),
        ({"model": "bicubic", "resolution": "0.5"}, "resolution is a str: give a number."),
        ({"model": "bicubic", "resolution": (0.5, None)}, "resolution is a NoneType: give a number."),
        ({"model": "bicubic", "crs": 4326}, "crs is a int: give a text, such as 'EPSG:3035'."),
        ({"model": "bicubic", "like": xarray.DataArray([1.0])}, "like is a DataArray: give a path."),
        ({"model": "bicubic", "sources": ["dem.tif"]}, "sources is a list: give rasters by the names"),
        ({"model": "bicubic", "models": None}, "models is a NoneType: give a list."),
        ({"model": "bicubic", "models": "/tmp"}, "models is a str: give a list."),
    ],
)
def test_what_is_wrong_is_said_at_once_in_a_sentence(
    rain: str, arguments: dict, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lazy_field, "_labelled", lambda *_: pytest.fail("too late"))
    with pytest.raises(InputError) as caught:
        api.super_resolve(rain, **arguments)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_numbers_of_numpys_are_numbers(rain: str) -> None:
    given = {"factor": np.float64(2), "tile": np.int64(5), "seed": np.uint8(3), "conservation": np.float32(1)}
    plain = {"factor": 2, "tile": 5, "seed": 3, "conservation": 1.0}
    extent, resolution = np.array([14.0, 26, 30, 38]), (np.float32(0.5), 0.5)
    fields = [
        api.super_resolve(rain, "bicubic", date="2001-01", extent=extent, **each) for each in (given, plain)
    ]
    assert same_bits(fields[0].compute(), fields[1].compute())
    assert fields[0].attrs["MSR_REQUEST"] == fields[1].attrs["MSR_REQUEST"]
    assert api.super_resolve(rain, "bicubic", date="2001-01", resolution=resolution).shape == (1, 36, 56)


def test_without_dask_a_sentence_says_what_to_install(rain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask.array", None)
    with pytest.raises(EngineError, match=r"install what requirements-cluster\.txt lists"):
        api.super_resolve(RasterRef(rain), "bicubic", factor=2)
