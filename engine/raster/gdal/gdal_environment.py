"""GDAL's options and drivers for every raster that is opened: no code, no network, no service unasked for.

GDAL keeps its options for each thread. Whoever opens or reads a raster does so inside `environment`, in
whatever thread: then a file has the same values everywhere (GDAL's tables of GRIB units are found through
an option too), and nothing in a file can loosen what stands here.
"""

from __future__ import annotations

import logging
import os
import warnings
from functools import cache
from pathlib import Path

import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetReader

from engine.errors import InputError, PackageError
from engine.raster.cloud.told_address import redacted, told
from engine.raster.gdal.file_references import check_references, check_text, is_remote
from engine.raster.gdal.gdal_variables import SERVICES

_ALWAYS = {
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "GRIB_NORMALIZE_UNITS": "YES",  # as gdalinfo and QGIS show them; the band's GRIB_UNIT says which
}
_OFFLINE = {
    "CPL_VSIL_CURL_ALLOWED_FILENAME": "none",
    "GDAL_HTTP_PROXY": "127.0.0.1:1",  # nobody listens there
    "GDAL_HTTPS_PROXY": "127.0.0.1:1",
    "GDAL_HTTP_CONNECTTIMEOUT": "1",
}
_REMOTE = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE",  # a file's neighbours are asked for by name, no folder is listed
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/",  # between two opens a file may change
    "GDAL_HTTP_MAX_RETRY": "2",
    "GDAL_HTTP_RETRY_DELAY": "0.5",
    "GDAL_HTTP_CONNECTTIMEOUT": "20",
    "GDAL_HTTP_LOW_SPEED_TIME": "60",  # seconds with fewer bytes than these each, and it is given up
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1000",
}
_ALONE = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no .ovr, .msk, .aux or world file
    "GDAL_PAM_ENABLED": "NO",  # no .aux.xml
}
_HDF5 = ("netCDF", "HDF5", "HDF5Image", "BAG", "S102", "S104", "S111", "KEA")  # drivers of such files
_LARGEST_BLOCK = 2**28  # bytes of a package's raster that one cell may cost

# `georeference_check` tells of files without a place; of its own arrays rasterio says so while it warps.
warnings.filterwarnings(
    "ignore", category=NotGeoreferencedWarning, module=r"engine\.raster\.|rasterio(\.warp)?$"
)


def environment(path: str, plain: bool = False) -> rasterio.Env:
    """Return GDAL's options for opening or reading a raster; to be entered in every thread that does.

    Args:
        path: as the user names it; only where that itself is an address, the network may be used.
        plain: a raster that a model package brings: nothing beside the file is read.
    """
    options = dict(_ALWAYS)
    if plain or not is_remote(path):
        options |= _OFFLINE
    else:
        hush_addresses()
        options |= {name: value for name, value in _REMOTE.items() if name not in os.environ}
    return rasterio.Env(**options, **(_ALONE if plain else {}))


class _AddressFilter(logging.Filter):
    """Leaves what gives access out of what rasterio hands on of GDAL's words."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redacted(record.getMessage()), ()
        return True


@cache
def hush_addresses() -> None:
    """Let no log tell more of an address than may be told."""
    for name in ("rasterio._env", "rasterio._err", "rasterio._filepath", "rasterio.session"):
        logging.getLogger(name).addFilter(_AddressFilter())


def open_by_gdal(path: str, label: str, plain: bool = False) -> DatasetReader:
    """Open a raster for reading; the reads belong into `environment` too.

    Args:
        path: a file, or one of GDAL's names.
        label: how sentences call it, e.g. "elevation".
        plain: a raster that a model package brings: a GeoTIFF and nothing else.

    Raises:
        InputError: it is no regular file, belongs to a service, or refers to the network or to code.
        PackageError: a package's raster is no plain GeoTIFF.
        rasterio.errors.RasterioIOError: it is not there or cannot be read.
    """
    if plain:
        return _opening_plain(path, label)
    with environment(path):
        hidden = check_references(path, label)
        file = DatasetReader(path, driver=_drivers(), sharing=False)
        try:
            _check_hidden(file, path, label, hidden)
        except BaseException:
            file.close()
            raise
    return file


def _check_hidden(file: DatasetReader, path: str, label: str, hidden: list[str]) -> None:
    """Look at what lies in archives or on servers by way of GDAL: VRTs there, and HDF5 files.

    Args:
        file: the raster, opened from `path`.
        hidden: the names of no local file to which it leads, perhaps its own.
    """
    if path in hidden:
        _refuse_hidden(file, path, label)
    waiting = [name for name in hidden if name != path]
    if file.driver == "VRT":  # one in an archive, or a name that GDAL turns into one
        waiting += check_text(file.tags(ns="xml:VRT").get("xml:VRT", ""), path, label)
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            inner = DatasetReader(name, driver=[*_HDF5, "VRT"], sharing=False)
        except rasterio.errors.RasterioIOError:
            continue  # another kind, or not there: GDAL says so
        with inner:
            _refuse_hidden(inner, name, label)
            waiting += check_text(inner.tags(ns="xml:VRT").get("xml:VRT", ""), name, label)


def _refuse_hidden(file: DatasetReader, name: str, label: str) -> None:
    """Refuse an HDF5 file of which it cannot be seen whether it points to other files."""
    service = name[:7].upper() == "NETCDF:" and "/vsi" not in name and is_remote(name)  # OPeNDAP
    if file.driver in _HDF5 and not service:
        raise InputError(
            f"{label}: {told(name)} lies in an archive or on a server, where a NetCDF or HDF5 file is not "
            "read: unpack or download it first, or refer to its pieces (docs/cloud.md)."
        )


def _opening_plain(path: str, label: str) -> DatasetReader:
    with environment(path, plain=True):
        try:
            file = rasterio.open(Path(path), driver="GTiff", GEOREF_SOURCES="INTERNAL")
        except rasterio.errors.RasterioIOError as error:
            raise PackageError(f"{label}: {path} of the model package is no GeoTIFF.") from error
        elsewhere = file.tags(ns="OVERVIEWS") or any(file.tags(i, ns="OVERVIEWS") for i in file.indexes)
        rows, columns = file.block_shapes[0] if file.count else (0, 0)
        block = rows * columns * max((_bytes(kind) for kind in file.dtypes), default=1)
        if not elsewhere and block <= _LARGEST_BLOCK:
            return file
        file.close()
    if elsewhere:
        raise PackageError(f"{label}: {path} of the model package names another file as its overviews.")
    raise PackageError(f"{label}: {path} of the model package has blocks of {block / 1e6:.0f} MB.")


def _bytes(dtype: str) -> int:
    digits = "".join(c for c in dtype if c.isdigit())
    return int(digits or 8) // 8


@cache
def _drivers() -> list[str]:
    """Return the drivers for what users name, in GDAL's order; called inside an environment."""
    with rasterio.Env() as env:
        return [name for name in env.drivers() if name not in SERVICES]
