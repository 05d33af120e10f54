"""NetCDF and Zarr: CF metadata that xarray and GDAL read, the cells as given, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import cftime
import numpy as np
import pytest
import rasterio
import xarray
from affine import Affine

from engine.dates import When
from engine.errors import Cancelled, EngineError, InputError
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef
from engine.raster.written import raster_writer
from engine.raster.written.cf_layout import BandLayout, InnerAxis, check_unturned, time_axis
from engine.raster.written.output_set import OutputSet
from engine.raster.written.raster_writer import RasterWriter

TRANSFORM = Affine(0.25, 0, -10, 0, -0.25, 50)
MONTHS = (When(2018, 11), When(2018, 12), When(2019, 1))
QUANTILES = InnerAxis("quantile", (0.1, 0.9), {"long_name": "quantile of the members"})
ENDINGS = ["nc", "zarr"]


def cells(bands: int, height: int = 70, width: int = 30) -> np.ndarray:
    array = np.random.default_rng(3).gamma(1.0, 30.0, (bands, height, width)).astype(np.float32)
    array[:, :9, :7] = np.nan
    return array


def write(
    path: Path, array: np.ndarray, layout: BandLayout, transform: Affine = TRANSFORM, crs: str = "EPSG:4326"
) -> None:
    count, height, width = array.shape
    with RasterWriter(path, width, height, transform, crs, bands=count, layout=layout) as writer:
        writer.set_tags(MSR_MODEL="tinyrain8 1.0", TIFFTAG_SOFTWARE="MSR 1")
        for band in range(count):
            for row in range(0, height, 32):
                writer.write(array[band, row : row + 32], row, 0, band + 1)


def opened(path: Path) -> xarray.Dataset:
    return xarray.open_zarr(path) if path.suffix == ".zarr" else xarray.open_dataset(path)


@pytest.mark.parametrize("ending", ENDINGS)
def test_values_axes_and_provenance(tmp_path: Path, ending: str) -> None:
    path, array = tmp_path / f"o.{ending}", cells(6)
    write(path, array, BandLayout("rain", "Rain, quantiles", "mm/month", MONTHS, QUANTILES))
    with opened(path) as data:
        rain = data["rain"]
        assert rain.dims == ("time", "quantile", "lat", "lon")
        np.testing.assert_array_equal(rain.values, array.reshape(3, 2, 70, 30))
        assert (rain.attrs["units"], rain.attrs["long_name"]) == ("mm/month", "Rain, quantiles")
        assert data["quantile"].values.tolist() == [0.1, 0.9]
        np.testing.assert_allclose(data["lat"], 50 - 0.25 * (np.arange(70) + 0.5))
        np.testing.assert_allclose(data["lon"], -10 + 0.25 * (np.arange(30) + 0.5))
        assert data["lat"].attrs["standard_name"] == "latitude"
        assert data["time"].dt.strftime("%Y-%m").values.tolist() == ["2018-11", "2018-12", "2019-01"]
        assert data["time_bnds"].values.astype("datetime64[D]").astype(str)[1].tolist() == [
            "2018-12-01",
            "2019-01-01",
        ]
        assert data.attrs["Conventions"].startswith("CF-1.")
        assert data.attrs["MSR_MODEL"] == "tinyrain8 1.0" and "MSR 1" in data.attrs["history"]
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("dates", [MONTHS, (When(None, 11), When(None, 12), When(None, 1))])
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_result_is_a_coarse_raster_for_the_next_run(
    tmp_path: Path, ending: str, dates: tuple[When, ...]
) -> None:
    path, array = tmp_path / f"o.{ending}", cells(3)
    write(path, array, BandLayout("rain", "Rain", "mm/month", dates))
    raster = Raster(RasterRef(str(path)), "target")
    try:
        assert (raster.variable, raster.dates) == ("rain", list(dates))
        assert raster.geobox.affine.almost_equals(TRANSFORM) and raster.geobox.crs.to_epsg() == 4326
        assert raster.georeference.height == 70
    finally:
        raster.close()


def test_gdal_reads_the_projected_netcdf(tmp_path: Path) -> None:
    path, array = tmp_path / "o.nc", cells(2)
    where = Affine(500, 0, 4e5, 0, -500, 5e6)
    days = (When(2020, 2, 28), When(2020, 2, 29))
    write(path, array, BandLayout("swe", "Snow water equivalent", "m", days), where, "EPSG:32632")
    with rasterio.open(f"NETCDF:{path}:swe") as data:
        assert data.transform.almost_equals(where) and data.crs.to_epsg() == 32632
        np.testing.assert_array_equal(data.read(), array)
    with opened(path) as data:
        assert data["swe"].dims == ("time", "y", "x")
        assert data["x"].attrs["standard_name"] == "projection_x_coordinate"
        assert data["time"].dt.strftime("%Y-%m-%d").values.tolist() == ["2020-02-28", "2020-02-29"]


@pytest.mark.parametrize(
    ("dates", "name", "values"),
    [
        ((When(2018), When(2019)), "time", [182.5, 547.5]),
        ((When(2018, 1, 1, 6), When(2018, 1, 2, 18, 30)), "time", [0.25, 1.0 + 18.5 / 24]),
        ((When(2018, 2, 30, calendar="360_day"),), "time", [59.5]),
        ((When(None, 11), When(None, 12)), "month", [11, 12]),
    ],
)
def test_the_time_axis_of_dates(dates: tuple[When, ...], name: str, values: list[float]) -> None:
    axes = time_axis(dates)
    assert next(iter(axes)) == name
    np.testing.assert_allclose(axes[name].values, values)
    assert ("time_bnds" in axes) == (name == "time" and dates[0].hour is None)
    if name == "time":
        own = axes[name].attributes
        first = cftime.num2date(axes[name].values[0], own["units"], own["calendar"])
        assert (first.year, first.month) == (dates[0].year, dates[0].month or 7)


def test_what_has_no_common_axis_is_refused() -> None:
    for dates in ((When(2018), None), (When(2018, 1), When(None, 1))):
        with pytest.raises(InputError, match="no common time axis"):
            time_axis(dates)
    for when in (When(None, 1, 5), When(None, 1, None, 6, 0)):
        with pytest.raises(InputError, match="times of day of any year"):
            time_axis((When(None, 1), when))
    with pytest.raises(InputError, match=r"turned.*\.tif"):
        check_unturned(Affine(1, 0.2, 0, 0.2, -1, 0))


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_stood_there_stays_when_it_fails_and_goes_when_it_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    path, layout = tmp_path / f"o.{ending}", BandLayout("rain", "Rain", "mm", (When(2018, 1),))
    old, new = cells(1), cells(1) + 1
    write(path, old, layout)
    whole = raster_writer.ARRAY_FILES[f".{ending}"]

    def fails(place: Path, made: object, strip: object) -> None:
        whole(place, made, strip)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setitem(raster_writer.ARRAY_FILES, f".{ending}", fails)
        with pytest.raises(EngineError, match="disk became full"):
            write(path, new, layout)
    with opened(path) as data:
        np.testing.assert_array_equal(data["rain"].values[0], old[0])
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    write(path, new, layout)
    with opened(path) as data:
        np.testing.assert_array_equal(data["rain"].values[0], new[0])
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_folder_that_is_no_store_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "mine.zarr"
    path.mkdir()
    (path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="is a folder"):
        write(path, cells(1), BandLayout("rain", "Rain", "mm"))
    assert (path / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_run_is_cancelled_in_the_middle_of_a_file(ending: str, tmp_path: Path) -> None:
    layout = BandLayout("rain", "Rain", "mm", MONTHS)
    calls = []

    def check() -> None:
        calls.append(1)
        if len(calls) == 3:  # before the file, before its first band, before its second one
            assert any(".part" in entry.name for entry in tmp_path.iterdir())
            raise Cancelled("The run was cancelled.")

    writer = RasterWriter(tmp_path / f"rain.{ending}", 30, 70, TRANSFORM, "EPSG:4326", bands=3, layout=layout)
    with pytest.raises(Cancelled), OutputSet({"output": writer}, check):
        writer.write(cells(3), 0, 0)
    assert len(calls) == 3 and not list(tmp_path.iterdir())
