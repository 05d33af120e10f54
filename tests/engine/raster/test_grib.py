"""GRIB files: their elements, units and valid times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.transform import from_origin

from engine.errors import InputError
from engine.feedback import Silent
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef


def message(path: Path, element: str, unit: str, value: float) -> bytes:
    """Return a GRIB2 message of one field; `element` is category and number of meteorological products."""
    profile = {"driver": "GRIB", "width": 8, "height": 8, "count": 1, "dtype": "float64", "crs": "EPSG:4326"}
    template = f"{element} 2 0 0 0 0 0 1 0 0 0 0 103 0 0 0 0 2 255 255 255 255 255 255"
    options = {"DISCIPLINE": "0", "PDS_PDTN": "0", "PDS_TEMPLATE_NUMBERS": template}
    options |= {"INPUT_UNIT": unit} if unit else {}
    with rasterio.open(path, "w", transform=from_origin(5, 50, 0.25, 0.25), **profile, **options) as file:
        file.write(np.full((1, 8, 8), value))
    return path.read_bytes()


@pytest.fixture()
def forecast(tmp_path: Path) -> Path:
    """A file of 2 m temperature and pressure."""
    path = tmp_path / "forecast.grib2"
    temperature = message(tmp_path / "t.grib2", "0 0", "K", 280.0)
    path.write_bytes(temperature + message(tmp_path / "p.grib2", "3 0", "", 100_000.0))
    return path


def test_several_elements_are_listed_and_chosen_by_name_or_band(forecast: Path) -> None:
    with pytest.raises(
        InputError, match=r"several variables: choose one, as forecast.grib2:TMP.*TMP \[C\], PRES"
    ):
        Raster(RasterRef(str(forecast)), "temperature")
    for name, units, value in ((":TMP", "degC", 6.85), ("#1", "K", 280.0), (":PRES", "hPa", 1000.0)):
        raster = Raster(RasterRef.parse(f"{forecast}{name}"), "temperature", units)
        band = raster.ref.band or 1
        values = raster.read(raster.geobox, [band], Resampling.nearest)
        np.testing.assert_allclose(values, value, rtol=1e-5)
    with pytest.raises(InputError, match=r"has no variable APCP \(it has TMP, PRES\)"):
        Raster(RasterRef(f"{forecast}:APCP"), "rain")


def test_a_run_gives_what_gdal_gives(forecast: Path, tmp_path: Path) -> None:
    """Whatever thread reads: °C, for which GDAL's options stand, and the unit with it."""
    output = str(tmp_path / "o.tif")
    super_resolve(SuperResolveRequest("bilinear", RasterRef(f"{forecast}:TMP"), output, factor=2), Silent())
    with rasterio.open(output) as file:
        np.testing.assert_allclose(file.read(1), 6.85, rtol=1e-5)
        assert file.units == ("[C]",)
