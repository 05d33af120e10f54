"""Which reader opens a raster that a user names: CF files and stores by xarray, all others by GDAL."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.errors import InputError
from engine.files.long_paths import REMEDY, too_long
from engine.raster.cf.axes import NoAxesError
from engine.raster.cf.cf_array import CfArray
from engine.raster.cf.cf_file import CfFile
from engine.raster.cf.store_contents import is_store
from engine.raster.cloud.cloud_name import cloud_name
from engine.raster.gdal_file import GdalFile
from engine.raster.held_raster import HeldRaster
from engine.raster.raster_file import RasterFile, go_on
from engine.raster.reference import RasterRef

_CF = (".nc", ".nc4", ".nc3", ".cdf", ".netcdf", ".h5", ".hdf5", ".he5", ".nc4s")
_GRIB = (".grib", ".grb", ".grib2", ".grb2", ".gb2", ".grib1", ".grb1")
_NOT_CF = (".bag", ".kea", ".tif", ".tiff", ".vrt")  # HDF5 inside, or never
_GDAL_NAME = re.compile(
    r'^(NETCDF|HDF5|ZARR):("(?P<quoted>[^"]+)"|(?P<bare>[^"]+?))(:(?P<variable>.*))?$', re.I
)


@dataclass(frozen=True)
class Located:
    """A local file, or a store's folder, and the variable in it that is meant."""

    path: str
    variable: str | None


def open_raster(ref: RasterRef, label: str, check: Callable[[], None] = go_on) -> RasterFile:
    """Open a raster.

    Args:
        ref: a path, `file.nc:tas` for a variable of it, or GDAL's name for one; what it says besides
            counts in place of the file.
        label: how sentences call it.
        check: see `RasterFile`.

    Raises:
        InputError: it is not there, cannot be read, or does not say which field is meant.
    """
    if isinstance(ref, HeldRaster):
        return _held(ref, label, check)
    if ref.plain:
        return GdalFile(ref.path, None, ref, label, check)
    if (cloud := cloud_name(ref.address)) is not None:
        from engine.raster.cloud.cloud_file import CloudFile  # needs packages that most do without

        return CloudFile(cloud, ref, label, check)
    located = locate(ref.address)
    path = located.path if located else ref.address
    _check_there(path, ref, label)
    if located is None or not is_cf(located.path):
        return GdalFile(path, located.variable if located else None, ref, label, check)
    try:
        return CfFile(located.path, located.variable, ref, label, check)
    except NoAxesError:
        return _by_gdal(located, ref, label, check)


def _held(ref: HeldRaster, label: str, check: Callable[[], None]) -> RasterFile:
    """Open a data array."""
    try:
        return CfArray(ref, label, check)
    except NoAxesError as error:
        raise InputError(
            f"{label}: {ref.path} has no axes that say where its cells lie (coordinates of one dimension, "
            f"named or described as CF asks): add them."
        ) from error


def _by_gdal(located: Located, ref: RasterRef, label: str, check: Callable[[], None]) -> RasterFile:
    """Open what has no CF axes but perhaps a geotransform, as GDAL writes it."""
    driver = "HDF5" if Path(located.path).suffix.lower() in (".h5", ".hdf5", ".he5") else "NETCDF"
    name = f'{driver}:"{located.path}":{located.variable}' if located.variable else located.path
    try:
        return GdalFile(name, None, ref, label, check)
    except InputError as error:
        raise InputError(
            f"{label}: {ref.path} has no axes that say where its cells lie (coordinates of one dimension, "
            f"named or described as CF asks): add them, or warp it to a GeoTIFF first."
        ) from error


def locate(name: str) -> Located | None:
    """Return the local file that a name means and the variable in it, None where only GDAL can tell."""
    if os.path.exists(name):
        return Located(name, None)
    if name.startswith("file://") and (located := locate(name.removeprefix("file://"))):
        return located
    if match := _GDAL_NAME.match(name):
        path, variable = match["quoted"] or match["bare"], match["variable"]
        if match["quoted"] is None and not os.path.exists(path) and variable is None:
            path, _, variable = path.rpartition(":")
        if os.path.exists(path):
            return Located(
                path, re.sub(r":\{?\d+\}?$", "", variable).strip("/") or None if variable else None
            )
        return None
    path, mark, variable = name.rpartition(":")
    if mark and variable and os.path.exists(path) and (is_cf(path) or is_grib(path)):
        return Located(path, variable)
    return None


def is_cf(path: str) -> bool:
    """Return whether xarray reads a local path: NetCDF, HDF5 or a Zarr store."""
    suffix = Path(path).suffix.lower()
    if suffix in _CF or is_store(path):
        return True
    if suffix in _NOT_CF or not os.path.isfile(path):
        return False
    start = _first_bytes(path)
    return start[:3] == b"CDF" or start == b"\x89HDF"


def is_grib(path: str) -> bool:
    """Return whether a local path is a GRIB file."""
    return Path(path).suffix.lower() in _GRIB or (os.path.isfile(path) and _first_bytes(path) == b"GRIB")


def _first_bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(4)
    except OSError:
        return b""


def _check_there(path: str, ref: RasterRef, label: str) -> None:
    """Refuse what is not there, and what would never end: pipes and devices."""
    if not os.path.exists(path):
        if signs := too_long(path):
            raise InputError(f"{label}: {ref.path}: its path has {signs} signs, and {REMEDY}.")
        if ":" not in os.path.splitdrive(path)[1] and not path.startswith("/vsi"):
            raise InputError(f"{label}: {ref.path}: the file does not exist: check the name.")
        return
    kind = os.stat(path).st_mode
    if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        raise InputError(f"{label}: {ref.path} is a pipe or a device: give a raster file.")
