"""Dates of stores: calendars, hours, monthly stamps, and steps made one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray
import yaml
import zarr
from affine import Affine
from scipy.io import netcdf_file

from engine.errors import InputError
from training.data.patches import View, Window, cut
from training.data.store import load
from training.preparation.prepare import prepare


@pytest.fixture(autouse=True)
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.preparation.prepare.write_summary", lambda *_: None)


def netcdf(
    path: Path, times: Any, cells: int, size: float, units: str = "days since 2001-01-01", calendar: str = ""
) -> np.ndarray:
    """Write one variable on a square of 4° in the north-east of (0, 50); returns its values."""
    values = np.random.default_rng(cells).random((len(times), cells, cells)).astype(np.float32) + 1
    axes = {
        "time": (times, units),
        "lat": (50 - size * (np.arange(cells) + 0.5), "degrees_north"),
        "lon": (size * (np.arange(cells) + 0.5), "degrees_east"),
    }
    with netcdf_file(path, "w") as file:
        for name, (numbers, unit) in axes.items():
            file.createDimension(name, len(numbers))
            axis = file.createVariable(name, "d", (name,))
            axis[:], axis.units = numbers, unit
            axis.standard_name = {"lat": "latitude", "lon": "longitude"}.get(name, name)
            if calendar and name == "time":
                axis.calendar = calendar
        field = file.createVariable("v", "f", ("time", "lat", "lon"))
        field[:], field.units = values, "mm"
    return values


def store(folder: Path, **target: Any) -> tuple[Any, list[str]]:
    """Prepare a data set whose files lie in a folder; returns the open store and its remarks."""
    settings = {"name": "a", "title": "t", "citation": "c", "licence": "l", "factor": 4}
    settings["target"] = {"name": "rain", "units": "mm", **target}
    (folder / "a.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    done = prepare(folder / "a.yaml", folder / "out.zarr", overwrite=True)
    return zarr.open_group(str(done.store), mode="r"), list(done.remarks)


def test_a_store_of_360_days_a_year_is_read_again(tmp_path: Path) -> None:
    netcdf(tmp_path / "v.nc", np.arange(50, 62) + 0.5, 16, 0.25, "days since 2001-01-01", "360_day")
    group, _ = store(tmp_path, fine={"files": "v.nc", "variable": "v"})
    dates = [str(d) for d in group["date"][:]]
    assert dates[7:11] == ["2001-02-28", "2001-02-29", "2001-02-30", "2001-03-01"]
    held = xarray.open_zarr(tmp_path / "out.zarr")
    assert [str(t)[:10] for t in held.time.values] == dates and held.time.values[9].day == 30
    archive = load(4, str(tmp_path / "out.zarr"))
    assert list(archive.days[[7, 9, 10]]) == [57, 59, 60] and list(archive.months[9:11]) == [2, 3]


def test_monthly_means_are_paired_by_month_wherever_they_are_stamped(tmp_path: Path) -> None:
    netcdf(tmp_path / "truth.nc", [0, 31, 59], 16, 0.25)
    coarse = netcdf(tmp_path / "coarse.nc", [15.5, 45, 74.5], 4, 1)
    files = {"fine": {"files": "truth.nc"}, "coarse": {"files": "coarse.nc"}}
    group, _ = store(tmp_path, **files)
    assert list(group["date"][:]) == ["2001-01", "2001-02", "2001-03"]
    np.testing.assert_allclose(group["target_coarse"][:], coarse, rtol=1e-6)


def test_files_of_one_month_each_are_paired_by_month(tmp_path: Path) -> None:
    netcdf(tmp_path / "truth.nc", [0, 31, 59], 16, 0.25)
    coarse = [netcdf(tmp_path / f"c{i}.nc", [day], 4, 1)[0] for i, day in enumerate((15.5, 45.0, 74.5))]
    group, _ = store(tmp_path, fine={"files": "truth.nc"}, coarse={"files": "c*.nc"})
    np.testing.assert_allclose(group["target_coarse"][:], coarse, rtol=1e-6)


@pytest.mark.parametrize(
    ("times", "units", "said"),
    [
        ([1200.5, 1201.5], "months since 1901-01-01", ["2001-01", "2001-02"]),
        ([20010116, 20010215], "day as %Y%m%d.%f", ["2001-01", "2001-02"]),
    ],
)
def test_time_axes_of_other_units(tmp_path: Path, times: list[float], units: str, said: list[str]) -> None:
    netcdf(tmp_path / "v.nc", times, 16, 0.25, units)
    group, _ = store(tmp_path, fine={"files": "v.nc"})
    assert list(group["date"][:]) == said


def test_hours_are_dates_of_a_store_and_of_its_climatology(tmp_path: Path) -> None:
    values = netcdf(tmp_path / "v.nc", np.arange(4) * 12.0 + 6, 16, 0.25, "hours since 2001-01-31")
    group, remarks = store(tmp_path, fine={"files": "v.nc"})
    dates = [f"2001-0{m}T{h}:00" for m, h in (("1-31", "06"), ("1-31", "18"), ("2-01", "06"), ("2-01", "18"))]
    assert list(group["date"][:]) == dates and not [r for r in remarks if "no raster" in r]
    held = xarray.open_zarr(tmp_path / "out.zarr")
    assert str(held.time.values[1])[:16] == "2001-01-31T18:00"
    archive = load(4, str(tmp_path / "out.zarr"))
    assert list(archive.hours) == [6, 18, 6, 18] and archive.days[2] == 32
    view = View(("climatology",), (0, 1, 2))
    patch, _ = cut(archive, [Window(3, 0, 0)], archive.shape, 0, view)
    assert patch.climatology_distance is not None
    assert patch.climatology_distance[0].tolist() == [np.inf, 1, np.inf], "of the same hour alone"
    np.testing.assert_allclose(np.asarray(archive.fine[1]), values[1], rtol=1e-6)


def test_the_hours_of_a_day_become_its_sum_or_mean(tmp_path: Path) -> None:
    values = netcdf(tmp_path / "v.nc", np.arange(20) * 3.0, 16, 0.25, "hours since 2001-01-01")
    group, remarks = store(tmp_path, fine={"files": "v.nc", "aggregate": "day:sum"})
    assert list(group["date"][:]) == ["2001-01-01", "2001-01-02"]
    assert any("2001-01-03: 4 of 8" in line for line in remarks)
    np.testing.assert_allclose(group["target_fine"][0], values[:8].sum(0), rtol=1e-5)
    group, _ = store(tmp_path, fine={"files": "v.nc", "aggregate": "day:mean"})
    np.testing.assert_allclose(group["target_fine"][2], values[16:].mean(0), rtol=1e-5)
    netcdf(tmp_path / "c.nc", [0, 1], 4, 1)
    group, _ = store(tmp_path, fine={"files": "v.nc", "aggregate": "day:sum"}, coarse={"files": "c.nc"})
    assert list(group["date"][:]) == ["2001-01-01", "2001-01-02"]


def test_another_step_of_the_coarse_product_is_refused(tmp_path: Path) -> None:
    netcdf(tmp_path / "days.nc", np.arange(40.0), 16, 0.25)
    netcdf(tmp_path / "months.nc", [0, 31], 4, 1)
    with pytest.raises(InputError, match=r"a day at each step .* a month .*aggregate: month:mean"):
        store(tmp_path, fine={"files": "days.nc"}, coarse={"files": "months.nc"})
    netcdf(tmp_path / "truth.nc", [0, 31], 16, 0.25)
    netcdf(tmp_path / "c.nc", np.arange(40.0), 4, 1)
    with pytest.raises(InputError, match=r"31 rasters for 2001-01 .*aggregate: month:mean"):
        store(tmp_path, fine={"files": "truth.nc"}, coarse={"files": "c.nc"})


def test_times_that_are_missing_are_said(tmp_path: Path) -> None:
    netcdf(tmp_path / "v.nc", [np.nan, np.nan], 16, 0.25)
    with pytest.raises(InputError, match="carries no date"):
        store(tmp_path, fine={"files": "v.nc"})


@pytest.mark.parametrize("way", ["day:sum", "day:mean"])
def test_amounts_wanted_as_a_rate_become_that_of_the_day(tmp_path: Path, way: str) -> None:
    values = netcdf(tmp_path / "v.nc", np.arange(16) * 3.0, 16, 0.25, "hours since 2001-01-01")
    group, _ = store(tmp_path, units="mm/day", fine={"files": "v.nc", "aggregate": way})
    np.testing.assert_allclose(group["target_fine"][1], values[8:].sum(0), rtol=1e-5)


def test_years_alone_are_told_when_prepared_and_refused_in_training(tmp_path: Path) -> None:
    profile: dict = {"driver": "GTiff", "width": 8, "height": 8, "count": 3, "dtype": "float32"}
    profile |= {"crs": "EPSG:3035", "transform": Affine(1000, 0, 4e6, 0, -1000, 3e6)}
    with rasterio.open(tmp_path / "v.tif", "w", **profile) as raster:
        raster.write(np.random.default_rng(0).random((3, 8, 8)).astype(np.float32))
    steps = {"first": "2001", "step": "year"}
    _, remarks = store(tmp_path, fine={"files": "v.tif", "band_dates": steps, "file_units": "mm"})
    assert any("name no month (2001)" in text and "band_dates" in text for text in remarks)
    with pytest.raises(InputError, match=r"name no month \(2001\).*: give the rasters dates with one"):
        load(4, str(tmp_path / "out.zarr"))
