"""Units as files say them, from the file to the numbers that a run computes with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling

from engine.errors import InputError
from engine.feedback import Silent
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef

RAIN = np.random.default_rng(0).gamma(3.0, 2.0, (4, 4)).astype(np.float32)  # mm/day
DEGREES = np.random.default_rng(1).normal(16, 3, (4, 4))
METRES = 2000 * np.random.default_rng(2).random((4, 4))


def read(path: str, label: str, units: str) -> np.ndarray:
    """Return the first band in wanted units."""
    raster = Raster(RasterRef(path), label, units)
    values = raster.read(raster.geobox, [1], Resampling.nearest)[0]
    raster.close()
    return values


KELVIN = ["K", "kelvin", "Kelvin", "KELVIN", "Kelvins", "degrees K", "deg K", "degree_Kelvin", "[K]"]


@pytest.mark.parametrize("written", [*KELVIN, "celcius", "[C]", "deg F"])
def test_a_temperature_is_the_same_however_its_unit_is_spelt(write_raster: Any, written: str) -> None:
    celsius = written in ("celcius", "[C]")
    numbers = DEGREES * 1.8 + 32 if written == "deg F" else DEGREES + (0 if celsius else 273.15)
    path = write_raster("t.tif", numbers.astype(np.float32), 1.0, 5, 50, units=written)
    np.testing.assert_allclose(read(path, "temperature", "degC"), DEGREES, atol=1e-4)


@pytest.mark.parametrize(
    ("written", "factor"),
    [
        *(("feet", 1 / 0.3048), ("ft", 1 / 0.3048), ("foot", 1 / 0.3048)),
        *(("US survey foot", 3937 / 1200), ("ft-US", 3937 / 1200), ("us-ft", 3937 / 1200)),
        *(("m asl", 1), ("METERS", 1), ("M", 1), ("m**2 s**-2", 9.80665)),
    ],
)
def test_a_height_is_in_metres_whatever_it_was_in(write_raster: Any, written: str, factor: float) -> None:
    path = write_raster("e.tif", (METRES * factor).astype(np.float32), 1.0, 5, 50, units=written)
    np.testing.assert_allclose(read(path, "elevation", "m"), METRES, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize(
    ("written", "factor"),
    [
        *((text, 1) for text in ("mm/day", "mm per day", "mm/d", "mm d^-1", "mm day**-1", "kg m-2 day-1")),
        *((text, 1 / 86400) for text in ("kg.m-2.s-1", "kg/(m^2 s)", "kg m-2 s-1")),
        *(("m of water equivalent per day", 1e-3), ("mm/6h", 1 / 4), ("mm/mon", 28)),
    ],
)
def test_rain_of_february_is_by_its_28_days(write_raster: Any, written: str, factor: float) -> None:
    path = write_raster(
        "r.tif", (RAIN * factor).astype(np.float32), 1.0, 5, 50, units=written, dates=["2001-02"]
    )
    np.testing.assert_allclose(read(path, "target", "mm/month"), 28 * RAIN, rtol=1e-5)


def test_a_whole_run_keeps_the_months_own_length(write_raster: Any, tmp_path: Path) -> None:
    rain = RAIN / 86400
    target = write_raster("pr.tif", rain, 2.0, 100, 8, units="kg m-2 s-1", dates=["2001-02"])
    output = str(tmp_path / "o.tif")
    super_resolve(SuperResolveRequest("rainitur8", RasterRef(target), output), Silent())
    with rasterio.open(output) as file:
        assert file.units == ("mm/month",)
        means = file.read(1).reshape(4, 8, 4, 8).mean((1, 3))
    np.testing.assert_allclose(means, 28 * RAIN, rtol=1e-4)


@pytest.mark.parametrize("said", [{"GRIB_stepType": "avgad"}, {"cell_methods": "time: mean"}, {}])
def test_monthly_means_in_metres_are_by_the_day_or_asked_about(said: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "tp.nc"
    with netCDF4.Dataset(path, "w") as file:
        axes = {
            "valid_time": ([1751328000.0], "seconds since 1970-01-01"),  # 1 July 2025
            "latitude": (8.0 - np.arange(4), "degrees_north"),
            "longitude": (100.0 + np.arange(4), "degrees_east"),
        }
        for name, (numbers, units) in axes.items():
            file.createDimension(name, len(numbers))
            axis = file.createVariable(name, "f8", (name,))
            axis[:], axis.units = numbers, units
        file["valid_time"].standard_name = "time"
        held = file.createVariable("tp", "f4", tuple(axes))
        held[:], held.units = RAIN / 1000, "m"
        held.setncatts(said)
    if "GRIB_stepType" in said:
        np.testing.assert_allclose(read(str(path), "target", "mm/month"), 31 * RAIN, rtol=1e-5)
        return
    with pytest.raises(InputError, match=r"^target .*mm/month.* is wanted.*--units target="):
        read(str(path), "target", "mm/month")
