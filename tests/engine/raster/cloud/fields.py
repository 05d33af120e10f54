"""A field of many dates, as stores, NetCDF and references to its pieces."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import xarray
from numpy.typing import NDArray

DATES, ROWS, COLUMNS = 6, 120, 160
_KERCHUNK = """
import json, sys
from kerchunk.hdf import SingleHdf5ToZarr
import fsspec
path, address, out = sys.argv[1:4]
with open(path, "rb") as file:
    made = SingleHdf5ToZarr(file, address, inline_threshold=100).translate()
if out.endswith(".json"):
    open(out, "w").write(json.dumps(made))
else:
    from kerchunk.df import refs_to_dataframe
    refs_to_dataframe(made, out, record_size=40)
"""


def field() -> NDArray[np.float32]:
    """Return rain, (dates, rows, columns), that no compression makes small."""
    return np.random.default_rng(3).gamma(2.0, 30, (DATES, ROWS, COLUMNS)).astype(np.float32)


def data(values: NDArray[np.float32]) -> xarray.Dataset:
    """Return it with CF axes: half degrees, months."""
    days = np.cumsum([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])[:DATES]
    lat = {"units": "degrees_north", "standard_name": "latitude"}
    lon = {"units": "degrees_east", "standard_name": "longitude"}
    return xarray.Dataset(
        {"tp": (("time", "lat", "lon"), values, {"units": "mm"})},
        {
            "time": ("time", days.astype("f8"), {"units": "days since 2001-01-01", "standard_name": "time"}),
            "lat": ("lat", 60 - 0.5 * np.arange(ROWS), lat),
            "lon": ("lon", 10 + 0.5 * np.arange(COLUMNS), lon),
        },
    )


def write_store(path: Path, format: int = 2, shards: bool = False, consolidated: bool = True) -> None:
    """Write it as a store of chunks of 40 × 40 cells of a date."""
    chunks = {"chunks": (1, 40, 40), **({"shards": (1, 120, 160)} if shards else {})}
    made = data(field())
    made.to_zarr(path, zarr_format=format, encoding={"tp": chunks}, consolidated=consolidated)


def write_netcdf(path: Path, packed: bool = False) -> None:
    """Write it as NetCDF of the same chunks, compressed and shuffled."""
    encoding = {"zlib": True, "shuffle": True, "chunksizes": (1, 40, 40)}
    if packed:
        encoding |= {"dtype": "i2", "scale_factor": 0.02, "add_offset": 300.0, "_FillValue": -32768}
    data(field()).to_netcdf(path, engine="netcdf4", encoding={"tp": encoding})


def refer(path: Path, address: str, out: Path) -> None:
    """Let kerchunk write the references to a NetCDF's pieces: in a process of its own, with its own HDF5."""
    subprocess.run(
        [sys.executable, "-s", "-W", "ignore", "-c", _KERCHUNK, str(path), address, str(out)], check=True
    )
