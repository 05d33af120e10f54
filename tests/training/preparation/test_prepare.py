"""Data sets without code: rasters as people have them, aligned into one store."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
import xarray
import yaml
import zarr
from affine import Affine
from odc.geo.geobox import GeoBox

from engine.errors import InputError
from engine.fields.conservation import aggregate
from engine.files.root import ROOT
from engine.raster.grids import refine
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef
from training.preparation.prepare import prepare
from training.prepare import run
from training.schema.dataset import load_dataset

COARSE = GeoBox((5, 6), Affine(4000, 0, 4_000_000, 0, -4000, 2_820_000), "EPSG:3035")
K = 4
MONTHS = [f"2001-{m:02d}" for m in range(1, 7)]


def write(path: Path, bands, transform, crs="EPSG:3035", nodata=None, units=None, dates=(), dtype="float32"):
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = bands.shape
    profile = {"width": width, "height": height, "count": count, "dtype": dtype}
    with rasterio.open(
        path, "w", driver="GTiff", crs=crs, transform=transform, nodata=nodata, **profile
    ) as file:
        file.write(bands.astype(dtype))
        if units:
            file.units = [units] * count
        for band, date in enumerate(dates, 1):
            file.update_tags(band, DATE=date)


def wgs84_field(seed: int, low: float = 0.0) -> tuple[np.ndarray, Affine]:
    """A smooth field in degrees over the grid and beyond, with a hole."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:70, 0:70]
    values = low + 30 + 10 * np.sin(rows / 9 + seed) + 8 * np.cos(columns / 7) + rng.normal(0, 1, (70, 70))
    values[20:26, 30:40] = np.nan
    return values, Affine(0.0075, 0, 5.45, 0, -0.006, 48.5)


@pytest.fixture
def folder(tmp_path):
    """Six months of rain in tenths of a millimetre, in another CRS, with holes; elevation; temperature."""
    for m, date in enumerate(MONTHS):
        values, transform = wgs84_field(m)
        numbers = np.where(np.isfinite(values), np.round(values * 10), -99)[None]
        write(tmp_path / f"rain/rain_{date}_v2.tif", numbers, transform, "EPSG:4326", dtype="int16")
    fine = refine(COARSE, K)
    height = np.random.default_rng(9).gamma(2, 200, fine.shape)[None]
    write(tmp_path / "elevation.tif", height, fine.affine, units="m")
    warm = 280 + np.arange(6)[:, None, None] + np.zeros((6, *COARSE.shape))
    write(tmp_path / "temperature.tif", warm, COARSE.affine, units="K", dates=MONTHS)
    return tmp_path


@pytest.fixture
def description():
    """Of the folder."""
    return {
        "name": "small",
        "title": "A small data set",
        "citation": "none",
        "licence": "CC0-1.0",
        "factor": K,
        "grid": {"crs": "EPSG:3035", "resolution": 4000, "extent": list(COARSE.boundingbox)},
        "target": {
            "name": "rain",
            "units": "mm",
            "fine": {"files": "rain/*.tif", "nodata": -99, "scale": 0.1, "file_units": "mm"},
        },
        "sources": [
            {"name": "elevation", "units": "m", "grid": "fine", "files": "elevation.tif"},
            {
                "name": "temperature",
                "units": "degC",
                "grid": "coarse",
                "dynamic": True,
                "files": "temperature.tif",
            },
        ],
    }


@pytest.fixture(autouse=True)
def page(request, monkeypatch):
    """Drawing takes longest by far: only the tests of the page draw it."""
    if "summary" not in request.node.name:
        monkeypatch.setattr("training.preparation.prepare.write_summary", lambda *_: None)


def described(folder: Path, settings: dict) -> Path:
    path = folder / "dataset.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def prepared(folder: Path, settings: dict, **options):
    done = prepare(described(folder, settings), folder / "out.zarr", **options)
    return done, zarr.open_group(str(done.store), mode="r")


def test_dated_geotiffs_of_another_crs_become_what_the_engine_reads(folder, description):
    done, group = prepared(folder, description)
    assert list(group["date"][:]) == MONTHS
    fine = refine(COARSE, K)
    for t, date in enumerate(MONTHS):
        raster = Raster(RasterRef(f"vrt://{folder}/rain/rain_{date}_v2.tif?a_nodata=-99&a_scale=0.1"), "rain")
        read = raster.read(fine, [1], raster.resampling(fine))[0]
        np.testing.assert_array_equal(group["target_fine"][t], read)
        raster.close()
        assert 0 < np.isnan(read).sum() < read.size / 2, "the hole is there"
        means = aggregate(torch.from_numpy(read), K).numpy()
        np.testing.assert_allclose(group["target_coarse"][t], means, rtol=1e-6)
    np.testing.assert_allclose(group["temperature"][:, 0, 0], 280 + np.arange(6) - 273.15, atol=1e-4)
    with rasterio.open(folder / "elevation.tif") as file:
        np.testing.assert_array_equal(group["elevation"][:], file.read(1))
    assert done.remarks == ()
    assert group.attrs["mode"] == "aggregate" and group["temperature"].attrs["units"] == "degC"


def test_blocks_of_time_and_space_give_the_same_store(folder, description, monkeypatch):
    from training.preparation import building

    _, whole = prepared(folder, description)
    values = {n: whole[n][:] for n in ("target_fine", "target_coarse", "elevation", "temperature")}
    monkeypatch.setattr(building, "BLOCK", 8)
    monkeypatch.setattr(building, "CELLS", 8 * 8 * 2)
    _, parts = prepared(folder, description, overwrite=True, workers=3)
    assert parts["target_fine"].chunks == (4, 8, 8)
    for name, expected in values.items():
        np.testing.assert_allclose(parts[name][:], expected, rtol=2e-3, atol=2e-2, err_msg=name)
        np.testing.assert_array_equal(np.isnan(parts[name][:]), np.isnan(expected))


def test_the_store_opens_with_cf_axes(folder, description):
    done, _ = prepared(folder, description)
    with xarray.open_zarr(done.store) as store:
        assert store.target_fine.dims == ("time", "fine_y", "fine_x")
        assert str(store.time.values[3])[:10] == "2001-04-01"
        assert store.spatial_ref.attrs["crs_wkt"].startswith(("PROJCS", "PROJCRS"))
        assert store.y.values[0] == 2_820_000 - 2000 and store.fine_x.values[0] == 4_000_000 + 500


def test_the_summary_is_one_page_that_stands_alone(folder, description):
    (folder / "rain/rain_2001-03_v2.tif").unlink()
    done, _ = prepared(folder, description)
    page = done.summary.read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") >= 3
    assert not re.search(r"(src|href)=(?![\"'](?:data:|#))", page)
    assert "2001-03" in page and "A small data set" in page and "Nothing looks wrong" not in page


def netcdf(path: Path, name: str, values: np.ndarray, days: np.ndarray, units: str, grid: GeoBox = COARSE):
    """Write a CF NetCDF file (classic format, which SciPy writes)."""
    dataset = xarray.Dataset(
        {name: (("time", "y", "x"), values, {"units": units, "grid_mapping": "crs"})},
        {
            "time": ("time", days, {"units": "days since 2001-01-01", "calendar": "standard"}),
            "y": ("y", grid.affine.f + grid.affine.e * (np.arange(grid.shape[0]) + 0.5), Y),
            "x": ("x", grid.affine.c + grid.affine.a * (np.arange(grid.shape[1]) + 0.5), X),
            "crs": ((), 0, {"crs_wkt": grid.crs.to_wkt(), "spatial_ref": grid.crs.to_wkt()}),
        },
    )
    dataset.to_netcdf(path, engine="scipy", format="NETCDF3_CLASSIC")
    return dataset


Y = {"standard_name": "projection_y_coordinate", "units": "m", "axis": "Y"}
X = {"standard_name": "projection_x_coordinate", "units": "m", "axis": "X"}


@pytest.mark.parametrize("form", ["netcdf", "zarr"])
def test_netcdf_and_zarr_with_a_time_axis(form, folder, description):
    values = np.random.default_rng(0).gamma(2, 1e-3, (40, *COARSE.shape))
    values[3, 2, 2] = np.nan
    dataset = netcdf(folder / "rain.nc", "tp", values, np.arange(40), "m")
    if form == "zarr":
        dataset.to_zarr(folder / "rain.zarr", zarr_format=2)
    files = "rain.nc" if form == "netcdf" else "rain.zarr"
    description["target"] = {"name": "rain", "units": "mm", "coarse": {"files": files, "variable": "tp"}}
    description["sources"] = description["sources"][:1]
    description["period"] = ["2001-01-05", "2001-02-04"]
    del description["grid"]
    _, group = prepared(folder, description)
    assert group.attrs["mode"] == "coarse" and "target_fine" not in group
    assert group["date"][0] == "2001-01-05" and group["date"][-1] == "2001-02-04"
    np.testing.assert_allclose(group["target_coarse"][:], 1000 * values[4:35].astype(np.float32), rtol=1e-5)
    assert tuple(group["elevation"].shape) == (5 * K, 6 * K)


def test_dates_that_do_not_match_are_listed(folder, description, capsys):
    warm = 280 + np.zeros((4, *COARSE.shape))
    write(folder / "temperature.tif", warm, COARSE.affine, units="K", dates=[*MONTHS[:2], *MONTHS[4:]])
    done, group = prepared(folder, description)
    (remark,) = done.remarks
    assert "sources.temperature" in remark and "2 dates: 2001-03, 2001-04" in remark
    assert np.isnan(group["temperature"][2:4]).all() and np.isfinite(group["temperature"][4:]).all()
    description["missing"] = "drop"
    _, group = prepared(folder, description, overwrite=True)
    assert list(group["date"][:]) == [m for m in MONTHS if m not in ("2001-03", "2001-04")]
    description["missing"] = "stop"
    with pytest.raises(InputError, match=r"2001-03, 2001-04.*asks to stop"):
        prepared(folder, description, overwrite=True)


def test_several_rasters_for_one_date_are_an_error(folder, description):
    days = [f"2001-01-{d:02d}" for d in range(1, 7)]
    warm = 280 + np.zeros((6, *COARSE.shape))
    write(folder / "temperature.tif", warm, COARSE.affine, units="K", dates=days)
    with pytest.raises(InputError, match=r"temperature has 6 rasters for 2001-01"):
        prepared(folder, description)


def test_kelvin_beside_celsius(folder, description):
    warm = 280 + np.zeros((6, *COARSE.shape))
    write(folder / "temperature.tif", warm, COARSE.affine, dates=MONTHS)  # says no units
    done, _ = prepared(folder, description)
    assert any("look like kelvin" in r for r in done.remarks)
    assert any("files say no units" in r for r in done.remarks)
    with pytest.raises(InputError, match="look like kelvin"):
        prepared(folder, description, overwrite=True, strict=True)
    warm[2] -= 273.15  # one date of six
    write(folder / "temperature.tif", warm, COARSE.affine, units="K", dates=MONTHS)
    done, _ = prepared(folder, description, overwrite=True)
    assert any("kelvin beside Celsius" in r and "1 date: 2001-03" in r for r in done.remarks)


def test_units_of_another_kind_are_an_error(folder, description):
    description["sources"][1]["units"] = "mm"
    with pytest.raises(InputError, match=r"sources.temperature is in K, but mm is wanted"):
        prepared(folder, description)


def test_an_independent_coarse_product_that_does_not_fit(folder, description):
    rain = np.stack([wgs84_field(m)[0] for m in range(6)])
    _, transform = wgs84_field(0)
    own = description["target"]
    own["coarse"] = {"files": "product.tif", "file_units": "mm"}
    write(folder / "product.tif", rain / 1000, transform, "EPSG:4326", dates=MONTHS)
    done, group = prepared(folder, description)
    assert any("metres beside millimetres" in r and "does not fit" in r for r in done.remarks)
    own["coarse"]["file_units"] = "m"
    done, group = prepared(folder, description, overwrite=True)
    assert group.attrs["mode"] == "independent" and done.remarks == ()
    means = aggregate(torch.from_numpy(group["target_fine"][:]), K).numpy()
    np.testing.assert_allclose(group["target_coarse"][:], means, rtol=0.05)
    write(folder / "product.tif", rain[::-1, ::-1] / 1000, transform, "EPSG:4326", dates=MONTHS)
    done, _ = prepared(folder, description, overwrite=True)
    assert any("correlation" in r for r in done.remarks)


def test_values_outside_the_valid_range_are_missing_and_counted(folder, description):
    description["sources"][0]["valid_range"] = [0, 400]
    done, group = prepared(folder, description)
    with rasterio.open(folder / "elevation.tif") as file:
        height = file.read(1)
    np.testing.assert_array_equal(group["elevation"][:], np.where(height > 400, np.nan, height))
    assert any(
        f"{int((height > 400).sum())} values" in r and "valid_range 0 to 400 m" in r for r in done.remarks
    )


def test_cells_with_too_little_truth_have_no_mean(folder, description):
    _, group = prepared(folder, description)
    loose = {name: group[name][:] for name in ("target_fine", "target_coarse")}
    description["target"]["min_cover"] = 0.99
    _, strict = prepared(folder, description, overwrite=True)
    cover = aggregate(torch.from_numpy(np.isfinite(loose["target_fine"])), K).numpy()
    np.testing.assert_array_equal(np.isnan(strict["target_coarse"][:]), cover < 0.99)
    assert (cover < 0.99).sum() > np.isnan(loose["target_coarse"]).sum()


def test_classes_and_angles_become_channels(folder, description):
    fine = refine(COARSE, K)
    classes = np.random.default_rng(1).integers(1, 4, fine.shape)
    aspect = np.random.default_rng(2).uniform(0, 360, fine.shape)
    write(folder / "cover.tif", classes[None], fine.affine, dtype="uint8")
    write(folder / "aspect.tif", aspect[None], fine.affine)
    description["sources"] = [
        {"name": "cover", "grid": "coarse", "kind": "class", "classes": [1, 3], "files": "cover.tif"},
        {"name": "aspect", "grid": "fine", "kind": "angle", "files": "aspect.tif"},
    ]
    _, group = prepared(folder, description)
    share = (classes == 3).reshape(5, K, 6, K).mean((1, 3))
    np.testing.assert_allclose(group["cover"][1], share, atol=1e-6)
    np.testing.assert_allclose(group["aspect"][0], np.sin(np.deg2rad(aspect)), atol=1e-5)


def test_a_raster_that_breaks_midway_leaves_no_store(folder, description):
    path = folder / f"rain/rain_{MONTHS[4]}_v2.tif"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"rain_2001-05_v2.tif cannot be read"):
        prepared(folder, description)
    assert not (folder / "out.zarr").exists() and not (folder / "out.html").exists()
    assert not list(folder.glob(".out.zarr*"))


def test_a_killed_run_leaves_no_store_and_the_next_one_tidies_up(folder, description):
    described(folder, description)
    slow = (
        "import time, sys; from training.preparation import series; read = series.Series.read\n"
        "def late(*a, **k): time.sleep(0.3); return read(*a, **k)\n"
        "series.Series.read = late\n"
        "from training.prepare import run; run(sys.argv[1:])"
    )
    command = [sys.executable, "-c", slow, str(folder / "dataset.yaml"), "--output", str(folder / "out.zarr")]
    process = subprocess.Popen([*command, "--workers", "1", "--quiet"], cwd=ROOT)
    limit = time.monotonic() + 300
    while not list(folder.glob(".out.zarr.*.part/target_fine")) and time.monotonic() < limit:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folder / "out.zarr").exists() and len(list(folder.glob(".out.zarr.*.part"))) == 1
    done, _ = prepared(folder, description)
    assert done.store.exists() and not list(folder.glob(".out.zarr*"))


def test_an_existing_store_is_kept_unless_asked(folder, description):
    done, _ = prepared(folder, description)
    before = os.stat(done.store).st_mtime_ns
    with pytest.raises(InputError, match="is there already"):
        prepared(folder, description)
    assert os.stat(done.store).st_mtime_ns == before


def test_wrong_keys_are_named(folder, description, capsys):
    for change, words in (
        ({"factr": 4}, "there is no key factr"),
        ({"factor": 1}, "factor: "),
        ({"target": {"name": "rain", "units": "mm"}}, "fine is not given"),
        ({"period": ["2002-01", "2001-01"]}, "ends before it begins"),
        ({"sources": [{"name": "base", "grid": "fine", "files": "x.tif"}]}, "the name is taken"),
        ({"sources": [{"name": "a", "grid": "fine", "files": "x.tif", "kind": "class"}]}, "list the numbers"),
        ({"sources": [{"name": "a", "grid": "fine", "files": "x.tif", "classes": [1]}]}, "kind: class"),
        ({"sources": [{"name": "a", "grid": "fine", "files": "x.tif", "scale": 0}]}, "must not be 0"),
        (
            {"sources": [{"name": "a", "grid": "fine", "files": "x.tif", "units": "blub"}]},
            "a unit that cannot",
        ),
    ):
        with pytest.raises(InputError, match=words):
            load_dataset(described(folder, {**description, **change}))
    with pytest.raises(InputError, match="there is no file"):
        prepared(folder, {**description, "sources": [{"name": "a", "grid": "fine", "files": "no.tif"}]})
    code = subprocess.run(
        [sys.executable, "-m", "training.prepare", str(folder / "none.yaml")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert code.returncode == 2 and code.stderr.count("\n") == 1 and "none.yaml" in code.stderr


def test_the_command_shows_progress(folder, description, capsys):
    assert run([str(described(folder, description)), "--output", str(folder / "out.zarr")]) == 0
    told = capsys.readouterr()
    assert "block" in told.err and "6 dates, 2001-01 to 2001-06" in told.out
    assert told.out.rstrip().endswith("out.zarr")


def test_bands_without_dates_are_counted_on(folder, description):
    values = np.stack([wgs84_field(m)[0] for m in range(6)])
    write(folder / "bands.tif", values, wgs84_field(0)[1], "EPSG:4326")
    description["target"]["fine"] = {
        "files": "bands.tif",
        "file_units": "mm",
        "band_dates": {"first": "2001-01", "step": "month"},
    }
    _, group = prepared(folder, description)
    assert list(group["date"][:]) == MONTHS
