"""Dates of whole runs: hours, other calendars, and days of several steps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray
from rasterio.windows import Window
from scipy.io import netcdf_file

from engine.aggregation import Aggregation
from engine.band_dates import of_bands
from engine.dates import When
from engine.errors import InputError
from engine.feedback import Silent
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.aggregated import open_dated
from engine.raster.reference import RasterRef


def run(request: SuperResolveRequest, **changes: Any) -> list[str]:
    return super_resolve(replace(request, **changes), Silent()).dates


def fields(count: int) -> np.ndarray:
    """Return (count, 4, 4) float32; the mean of band b is b."""
    return np.arange(1.0, count + 1)[:, None, None] + np.zeros((4, 4), np.float32)


@pytest.fixture()
def hourly(write_raster: Any, tmp_path: Path) -> SuperResolveRequest:
    """A bilinear run on eight steps of three hours, from 26 November 2024, 06:00 on."""
    stamps = [f"2024-11-{26 + h // 24}T{h % 24:02d}:00" for h in range(6, 30, 3)]
    path = write_raster("steps.tif", fields(8).astype(np.float32), 1, 10, 10, dates=stamps, units="mm")
    return SuperResolveRequest("bilinear", RasterRef(path), str(tmp_path / "o.tif"), factor=2)


def mean(path: str, band: int = 1) -> float:
    with rasterio.open(path) as file:
        return float(file.read(band).mean())


@pytest.mark.parametrize("date", ["2024-11-26T12", "2024-11-26T12:00", "2024-11-26 12:00Z"])
def test_a_time_of_day_picks_its_band(hourly: SuperResolveRequest, date: str) -> None:
    assert len(run(hourly, date=date)) == 1
    assert mean(hourly.output) == pytest.approx(3)


def test_every_time_has_a_band_that_is_read_again(hourly: SuperResolveRequest) -> None:
    said = run(hourly, all_dates=True)
    assert said[0] == "2024-11-26T06:00" and said[-1] == "2024-11-27T03:00"
    with rasterio.open(hourly.output) as file:
        tags = [file.tags(i) for i in file.indexes]
        assert file.descriptions[3] == tags[3]["DATE"] == "2024-11-26T15:00"
        assert of_bands(file.descriptions, tags, {})[3] == When(2024, 11, 26, 15, 0)


def test_a_day_of_several_steps_says_so(hourly: SuperResolveRequest) -> None:
    with pytest.raises(InputError) as told:
        run(hourly, date="2024-11-26")
    sentence = str(told.value)
    assert "target has 6 steps on 2024-11-26, from 2024-11-26T06:00 to 2024-11-26T21:00" in sentence
    assert "give one of them" in sentence and "day:mean" in sentence and "full date" not in sentence


def test_every_day_of_360_is_a_date(tmp_path: Path) -> None:
    path = tmp_path / "model.nc"
    with netcdf_file(path, "w") as file:
        axes = {"time": 54057.5 + np.arange(4.0), "lat": 10.0 - np.arange(4), "lon": 100.0 + np.arange(4)}
        for name, values in axes.items():
            file.createDimension(name, len(values))
            axis = file.createVariable(name, "d", (name,))
            axis[:] = values
            axis.standard_name = {"lat": "latitude", "lon": "longitude"}.get(name, name)
            axis.units = {"lat": "degrees_north", "lon": "degrees_east"}.get(name, "days since 1850-01-01")
            if name == "time":
                axis.calendar = "360_day"
        rain = file.createVariable("pr", "f", ("time", "lat", "lon"))
        rain[:], rain.units = fields(4), "mm/day"
    request = SuperResolveRequest("bilinear", RasterRef(str(path)), str(tmp_path / "o.tif"), factor=2)
    assert run(request, all_dates=True) == ["2000-02-28", "2000-02-29", "2000-02-30", "2000-03-01"]
    with rasterio.open(request.output) as file:
        assert file.tags(3)["DATE"] == "2000-02-30" and file.tags(3)["CALENDAR"] == "360_day"
    assert run(request, date="2000-02-30") == ["2000-02-30"]
    assert mean(request.output) == pytest.approx(3)
    again = replace(request, target=RasterRef(request.output), output=str(tmp_path / "p.tif"))
    assert run(again) == ["2000-02-30"], "an output is read as it was written"


def test_a_climatology_by_hours_of_the_day(write_raster: Any, tmp_path: Path) -> None:
    target = write_raster("t.tif", np.full((3, 3), 6, np.float32), 1, 10, 10, units="mm")
    night, noon = np.full((6, 6), 1, np.float32), np.full((6, 6), 1, np.float32)
    night[::2], noon[:, ::2] = 3, 3
    bands = np.stack([night, noon, night, noon])
    stamps = ["--01T00:00", "--01T12:00", "--07T00:00", "--07T12:00"]
    climatology = write_raster("c.tif", bands, 0.5, 10, 10, units="mm", dates=stamps)
    request = SuperResolveRequest(
        "climatologyratio",
        RasterRef(target),
        str(tmp_path / "o.tif"),
        sources={"climatology": RasterRef(climatology)},
        factor=2,
        quantity="nonnegative",
    )
    for hour, field in (("11", noon), ("23", night), ("00", night)):
        run(request, date=f"2001-01-15T{hour}")
        with rasterio.open(request.output) as file:
            np.testing.assert_allclose(file.read(1), 3.0 * field, rtol=1e-4)
    run(request, date="2001-01-15")  # of the whole day: all hours
    with rasterio.open(request.output) as file:
        np.testing.assert_allclose(file.read(1), 1.5 * (night + noon), rtol=1e-4)


def test_the_steps_of_a_day_are_averaged_or_summed(write_raster: Any, tmp_path: Path) -> None:
    stamps = [f"2024-11-{26 + h // 24}T{h % 24:02d}:00" for h in range(0, 48, 3)]
    values = fields(16).astype(np.float32)
    values[3, 0, 0] = np.nan
    path = write_raster("steps.tif", values, 1, 10, 10, dates=stamps, units="mm", nodata=np.nan)
    request = SuperResolveRequest("bilinear", RasterRef(path), str(tmp_path / "o.tif"), factor=2)
    assert run(request, all_dates=True, aggregate="day:mean") == ["2024-11-26", "2024-11-27"]
    with rasterio.open(request.output) as file:
        assert file.read(1)[-1, -1] == pytest.approx(4.5) and file.read(2).mean() == pytest.approx(12.5)
        assert file.read(1)[0, 0] == pytest.approx((36 - 4) / 7, rel=0.2), "of the steps that are there"
        assert file.tags(2)["DATE"] == "2024-11-27" and file.tags()["MSR_AGGREGATE"] == "day:mean"
    assert run(request, date="2024-11-26", aggregate="day:sum") == ["2024-11-26"]
    with rasterio.open(request.output) as file:
        assert file.read(1)[-1, -1] == pytest.approx(36) and np.isnan(file.read(1)[0, 0])
    assert run(request, date="2024-11", aggregate="month:mean") == ["2024-11"]
    with rasterio.open(request.output) as file:
        assert file.read(1)[-1, -1] == pytest.approx(8.5)


def test_steps_that_are_missing_are_told(hourly: SuperResolveRequest) -> None:
    result = super_resolve(replace(hourly, aggregate="day:mean", all_dates=True), Silent())
    assert result.dates == ["2024-11-26", "2024-11-27"]
    (told,) = [line for line in result.warnings if "steps are missing" in line]
    assert "2 dates (2024-11-26: 6 of 8, 2024-11-27: 2 of 8)" in told
    with pytest.raises(InputError, match=r"6 of 8.*a sum needs every step: choose day:mean"):
        run(hourly, aggregate="day:sum", all_dates=True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"aggregate": "day:sum", "date": "2024-11-26T06"}, "is one step, but aggregate asks for the sum of"),
        ({"aggregate": "week:mean"}, "aggregate"),
        ({"aggregate": "day:mean", "date": "2024-12-01"}, "date asked for is 2024-12-01"),
    ],
)
def test_what_cannot_be_aggregated_is_refused(
    write_raster: Any, tmp_path: Path, changes: dict[str, str], words: str
) -> None:
    stamps = [f"2024-11-26T{h:02d}:00" for h in range(24)]
    path = write_raster("d.tif", fields(24).astype(np.float32), 1, 10, 10, dates=stamps, units="mm")
    request = SuperResolveRequest("bilinear", RasterRef(path), str(tmp_path / "o.tif"), factor=2)
    with pytest.raises(InputError, match=words):
        run(request, **changes)


@pytest.mark.parametrize(("units", "words"), [("K", "a temperature"), ("mm/h", "a rate")])
def test_only_amounts_are_summed(write_raster: Any, tmp_path: Path, units: str, words: str) -> None:
    stamps = [f"2024-11-26T{h:02d}:00" for h in range(24)]
    path = write_raster("d.tif", fields(24).astype(np.float32), 1, 10, 10, dates=stamps, units=units)
    request = SuperResolveRequest("bilinear", RasterRef(path), str(tmp_path / "o.tif"), factor=2)
    with pytest.raises(InputError, match=f"{words}, whose sum means nothing: choose day:mean"):
        run(request, aggregate="day:sum")
    assert run(request, aggregate="day:mean") == ["2024-11-26"]
    assert mean(request.output) == pytest.approx(12.5)


def test_bands_of_months_are_no_steps_of_a_day(write_raster: Any, tmp_path: Path) -> None:
    path = write_raster(
        "m.tif", fields(2).astype(np.float32), 1, 10, 10, dates=["2001-01", "2001-02"], units="mm"
    )
    request = SuperResolveRequest("bilinear", RasterRef(path), str(tmp_path / "o.tif"), factor=2)
    with pytest.raises(InputError, match=r"a month at each step \(2001-01\), which cannot be aggregated"):
        run(request, aggregate="day:mean", all_dates=True)
    with pytest.raises(InputError, match="band 2 is one step"):
        run(request, aggregate="day:mean", target=RasterRef(path, 2))


def test_on_another_grid_the_means_are_held_against_the_means(
    hourly: SuperResolveRequest,
) -> None:
    from engine.raster.reference import GridRequest

    grid = GridRequest(None, None, 0.4, None)
    result = super_resolve(replace(hourly, aggregate="day:mean", all_dates=True, grid=grid), Silent())
    assert result.residual_original < 1e-3, "held against the means, not the steps"


def test_the_bounds_of_a_time_axis_decide_its_months(tmp_path: Path) -> None:
    path = tmp_path / "means.nc"
    with netcdf_file(path, "w") as file:
        axes = {"time": np.array([31.0, 59]), "lat": 10.0 - np.arange(4), "lon": 100.0 + np.arange(4)}
        for name, values in axes.items():
            file.createDimension(name, len(values))
            axis = file.createVariable(name, "d", (name,))
            axis[:] = values
            axis.standard_name = {"lat": "latitude", "lon": "longitude"}.get(name, name)
            axis.units = {"lat": "degrees_north", "lon": "degrees_east"}.get(name, "days since 2001-01-01")
            if name == "time":
                axis.calendar, axis.bounds = "noleap", "time_bnds"
        file.createDimension("nbnd", 2)
        file.createVariable("time_bnds", "d", ("time", "nbnd"))[:] = [[0, 31], [31, 59]]
        rain = file.createVariable("PRECT", "f", ("time", "lat", "lon"))
        rain[:], rain.units = fields(2), "mm/day"
    for name in (str(path), f'NETCDF:"{path}":PRECT'):
        request = SuperResolveRequest("bilinear", RasterRef(name), str(tmp_path / "o.tif"), factor=2)
        assert run(request, all_dates=True) == ["2001-01", "2001-02"]


def test_members_of_one_date_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "members.nc"
    with netcdf_file(path, "w") as file:
        axes = {
            "time": [0.0, 1],
            "number": [0, 1, 2],
            "lat": 10.0 - np.arange(4),
            "lon": 100.0 + np.arange(4),
        }
        units = {"time": "days since 2001-01-01", "lat": "degrees_north", "lon": "degrees_east"}
        for name, values in axes.items():
            file.createDimension(name, len(values))
            axis = file.createVariable(name, "d", (name,))
            axis[:], axis.units = values, units.get(name, "1")
        rain = file.createVariable("tp", "f", tuple(axes))
        rain[:], rain.units = np.arange(6).reshape(2, 3, 1, 1) + np.zeros((2, 3, 4, 4)), "mm"
    request = SuperResolveRequest("bilinear", RasterRef(str(path)), str(tmp_path / "o.tif"), factor=2)
    with pytest.raises(InputError, match=r"3 bands for 2001-01-02 \(number 0, 1 and 2\).*#4, #5 or #6"):
        run(request, date="2001-01-02")
    run(request, date="2001-01-02", target=RasterRef(str(path), 5))
    assert mean(request.output) == pytest.approx(4)


@pytest.mark.parametrize("way", ["day:mean", "day:sum"])
def test_amounts_wanted_as_a_rate_become_that_of_the_day(write_raster: Any, way: str) -> None:
    stamps = [f"2024-11-26T{h:02d}:00" for h in range(24)]
    path = write_raster("d.tif", fields(24).astype(np.float32), 1, 10, 10, dates=stamps, units="mm")
    raster = open_dated(RasterRef(path), "rain", "mm/day", Aggregation.parse(way))
    assert raster.dates == [When(2024, 11, 26)] and raster.count == 1
    assert raster.values([1], Window(0, 0, 4, 4)).mean() == pytest.approx(300)
    raster.close()


def test_a_monthly_field_asked_by_a_day_in_it_is_the_months_field(write_raster: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    coarse = rng.gamma(2.0, 20.0, (2, 8, 8)).astype(np.float32)
    target = write_raster("t.tif", coarse, 4.0, 0, 32, units="mm", dates=["2014-10", "2014-11"])
    months = [f"--{m:02d}" for m in range(1, 13)]
    bands = rng.gamma(2.0, 20.0, (12, 32, 32)).astype(np.float32)
    climatology = write_raster("c.tif", bands, 1.0, 0, 32, units="mm", dates=months)
    fields = []
    for number, date in enumerate(("2014-11", "2014-11-01", "2014-11-28", "2014-10")):
        output = tmp_path / f"{number}.tif"
        request = SuperResolveRequest(
            "climatologyratio",
            RasterRef(target),
            str(output),
            factor=4,
            sources={"climatology": RasterRef(climatology)},
            date=date,
        )
        super_resolve(request, Silent())
        with rasterio.open(output) as file:
            fields.append(file.read(1))
    assert np.array_equal(fields[0], fields[1]) and np.array_equal(fields[0], fields[2])
    assert not np.array_equal(fields[0], fields[3])


def test_the_first_of_a_month_may_mean_the_month(write_raster: Any, tmp_path: Path) -> None:
    """A target without dates: the day is taken at its word, and the run says what the month would be."""
    rain = write_raster("rain.tif", fields(1)[0].astype(np.float32), 1, 10, 10, units="mm")
    bands = np.repeat(np.repeat(fields(12).astype(np.float32), 2, 1), 2, 2)
    bands[:, ::2] += np.arange(12)[:, None, None] % 5
    names = [f"--{month:02d}" for month in range(1, 13)]
    climate = write_raster("c.tif", bands, 0.5, 10, 10, dates=names, units="mm")
    output = str(tmp_path / "o.tif")
    request = SuperResolveRequest(
        "climatologyratio", RasterRef(rain), output, {"climatology": RasterRef(climate)}, factor=2
    )

    def told(**changes: Any) -> list[str]:
        result = super_resolve(replace(request, overwrite=True, **changes), Silent())
        return [line for line in result.warnings if line.startswith("date:")]

    wanted = (
        "date: 2014-11-01 is taken as this one day; if the target is the mean of the month, give 2014-11."
    )
    assert told(date="2014-11-01") == [wanted]
    assert told(date="2014-11") == told(date="2014-11-02") == []
    assert told(date="2014-11-01", model="bilinear", sources={}) == []  # to which dates are all one
    dated = write_raster("d.tif", fields(1).astype(np.float32), 1, 10, 10, dates=["2014-11-01"], units="mm")
    assert told(target=RasterRef(dated)) == []


def test_a_span_makes_a_band_for_each_of_its_dates(hourly: SuperResolveRequest) -> None:
    assert run(hourly, date="2024-11-26T21..2024-11-27") == [
        "2024-11-26T21:00",
        "2024-11-27T00:00",
        "2024-11-27T03:00",
    ]
    assert [mean(hourly.output, band) for band in (1, 2, 3)] == pytest.approx([6, 7, 8])
    assert run(hourly, date="2024-11-26..2024-11-27", aggregate="day:mean") == ["2024-11-26", "2024-11-27"]
    with pytest.raises(InputError, match=r"no date in 2023..2024-10 \(it has 2024-11-26T06:00 to"):
        run(hourly, date="2023..2024-10")


def test_the_days_of_hours_as_cf_netcdf(hourly: SuperResolveRequest, tmp_path: Path) -> None:
    output = tmp_path / "days.nc"
    run(hourly, all_dates=True, aggregate="day:mean", output=str(output))
    with xarray.open_dataset(output) as data:
        assert data["target"].attrs["cell_methods"] == "time: mean"
        assert data["target"].attrs["units"] == "mm"
        np.testing.assert_allclose(data["target"].mean(("lat", "lon")), [3.5, 7.5])
        assert data["time"].dt.strftime("%m-%d").values.tolist() == ["11-26", "11-27"]
        assert float(data.attrs["MSR_RESIDUAL"]) < 1e-4
    with pytest.raises(InputError, match=r"\.tif, \.nc or \.zarr"):
        run(hourly, all_dates=True, output=str(tmp_path / "days.png"))


@pytest.mark.parametrize("ending", [".nc", ".zarr"])
def test_the_time_axis_of_bands_in_any_order_goes_one_way(write_raster, tmp_path: Path, ending: str) -> None:
    months = ["2001-03", "2000-12", "2001-01"]
    path = write_raster("mixed.tif", fields(3).astype(np.float32), 1, 10, 10, dates=months, units="mm")
    request = SuperResolveRequest("bilinear", RasterRef(path), str(tmp_path / f"o{ending}"), factor=2)
    assert run(request, all_dates=True) == sorted(months)
    opened = xarray.open_zarr if ending == ".zarr" else xarray.open_dataset
    with opened(request.output) as data:
        assert data["time"].dt.strftime("%Y-%m").values.tolist() == sorted(months)
        np.testing.assert_allclose(data["target"].mean(("lat", "lon")), [2, 3, 1])
    tif = replace(request, output=str(tmp_path / "o.tif"))
    assert run(tif, all_dates=True) == months  # a GeoTIFF's bands are the target's
    assert [mean(tif.output, band) for band in (1, 2, 3)] == pytest.approx([1, 2, 3])
