"""NetCDF files as climate scientists have them: CF axes, packed values, several variables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from scipy.io import netcdf_file

from engine.dates import When
from engine.errors import InputError
from engine.feedback import Silent
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef


@pytest.fixture()
def forcing(tmp_path: Path) -> Path:
    """Three days of temperature (packed, K) and precipitation on a 1° grid, south to north, 0–360°."""
    path = tmp_path / "forcing.nc"
    with netcdf_file(path, "w") as file:
        for name, values, units in (
            ("time", np.arange(3.0), "days since 2001-02-27 00:00:00"),
            ("lat", np.arange(30.5, 36), "degrees_north"),
            ("lon", np.arange(200.5, 208), "degrees_east"),
        ):
            file.createDimension(name, len(values))
            axis = file.createVariable(name, "d", (name,))
            axis[:] = values
            axis.units, axis.standard_name = units, {"lat": "latitude", "lon": "longitude"}.get(name, name)
        shape = (3, 6, 8)
        ramp = np.arange(np.prod(shape)).reshape(shape)
        t2m = file.createVariable("t2m", "h", ("time", "lat", "lon"))
        t2m[:], t2m.units = ramp, "K"
        t2m.scale_factor, t2m.add_offset, t2m._FillValue = 0.1, 270.0, np.int16(-999)
        rain = file.createVariable("pre", "f", ("time", "lat", "lon"))
        rain[:], rain.units = ramp / 10, "kg m-2 s-1"
    return path


def test_a_variable_is_read_with_its_axes_units_and_packing(forcing: Path) -> None:
    raster = Raster(RasterRef(f'NETCDF:"{forcing}":t2m'), "temperature", "degC")
    assert raster.dates == [When(2001, 2, 27), When(2001, 2, 28), When(2001, 3, 1)]
    assert raster.geobox.boundingbox == (-160, 30, -152, 36)  # GDAL counts west of 180°
    values = raster.read(raster.geobox, [2], Resampling.nearest)[0]
    # The first row is the northernmost: the last one of the file.
    np.testing.assert_allclose(values[0], -3.15 + 0.1 * (48 + 40 + np.arange(8)), atol=1e-4)


def test_a_file_of_several_variables_asks_for_one(forcing: Path) -> None:
    with pytest.raises(
        InputError, match=r"several variables: choose one, as forcing.nc:t2m \(it has t2m \[K\]"
    ):
        Raster(RasterRef(str(forcing)), "temperature")


def test_all_dates_of_a_variable_go_through_the_pipeline(forcing: Path, tmp_path: Path) -> None:
    request = SuperResolveRequest(
        "bilinear", RasterRef(f'NETCDF:"{forcing}":pre'), str(tmp_path / "o.tif"), factor=5, all_dates=True
    )
    result = super_resolve(request, Silent())
    assert result.dates == ["2001-02-27", "2001-02-28", "2001-03-01"] and result.residual < 1e-4
    with rasterio.open(request.output) as file:
        assert file.shape == (30, 40) and file.count == 3 and file.units[0] == "kg m-2 s-1"
    one = replace(request, all_dates=False, date="2001-03-01")
    assert super_resolve(one, Silent()).dates == ["2001-03-01"]
