"""The tags that a result carries, read back from its file or store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import rasterio
from rasterio.errors import RasterioError

from engine.raster.cf.variables import LIBRARY

_ATTRIBUTES = {"zarr.json": "attributes", ".zattrs": ""}  # of a store's root, by format, and where in it


def written_tags(path: Path) -> dict[str, str]:
    """Return the tags of a GeoTIFF, NetCDF or Zarr, none of what is not there or cannot be read.

    Args:
        path: of a result; its ending says what it is.
    """
    read = {".nc": _of_netcdf, ".zarr": _of_store}.get(path.suffix.lower(), _of_geotiff)
    try:
        return {name: str(value) for name, value in read(path).items()}
    except (RasterioError, OSError, RuntimeError, ValueError, TypeError, AttributeError):
        return {}


def _of_geotiff(path: Path) -> Mapping[str, Any]:
    with rasterio.open(path, driver="GTiff") as file:
        tags: Mapping[str, Any] = file.tags()
    return tags


def _of_netcdf(path: Path) -> Mapping[str, Any]:
    from netCDF4 import Dataset

    with LIBRARY, Dataset(path) as file:
        return {name: file.getncattr(name) for name in file.ncattrs()}


def _of_store(path: Path) -> Mapping[str, Any]:
    for name, key in _ATTRIBUTES.items():
        if (path / name).is_file():
            held = json.loads((path / name).read_text(encoding="utf-8"))
            attributes: Mapping[str, Any] = held[key] if key else held
            return attributes
    return {}


def store_format(path: Path) -> int:
    """Return the format of a Zarr store that was written here: 2 or 3."""
    return 3 if (path / "zarr.json").is_file() else 2
