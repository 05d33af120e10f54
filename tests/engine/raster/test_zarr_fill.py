"""What a Zarr array calls missing: its attribute says so, not what unwritten chunks hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray
import zarr
from rasterio.windows import Window

from engine.raster.reader import Raster
from engine.raster.reference import RasterRef


@pytest.mark.parametrize("version", [2, 3])
def test_zeros_of_packed_arrays_stay(tmp_path: Path, version: int) -> None:
    if version == 3 and zarr.__version__ < "3":
        pytest.skip("zarr 2 knows no other form than its own")
    values = np.array([[0.0, 1.5, np.nan], [20.0, 0.0, 3.0]])
    coordinates = {
        "lat": ("lat", [50.5, 49.5], {"units": "degrees_north", "standard_name": "latitude"}),
        "lon": ("lon", [4.5, 5.5, 6.5], {"units": "degrees_east", "standard_name": "longitude"}),
    }
    data = xarray.Dataset({"tp": (("lat", "lon"), values, {"units": "mm"})}, coordinates)
    packing = {"tp": {"dtype": "int16", "scale_factor": 0.1, "add_offset": 0.0, "_FillValue": -32768}}
    data.to_zarr(tmp_path / "rain.zarr", zarr_format=version, encoding=packing)
    raster = Raster(RasterRef(str(tmp_path / "rain.zarr")), "target")
    read = raster.values([1], Window(0, 0, 3, 2))[0]
    raster.close()
    np.testing.assert_allclose(read, values, atol=1e-6)
