"""Writes a result as a Zarr store of format 2 with CF attributes, which xarray and GDAL from 3.4 read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.raster.written.cf_layout import CfDataset
from engine.raster.written.strips import Strips, chunks_of, fill

_DIMENSIONS = "_ARRAY_DIMENSIONS"  # how xarray and GDAL find an array's dimensions in this format


def write_zarr(path: Path, made: CfDataset, strip: Strips) -> None:
    """Write the store, a folder.

    Args:
        path: of it; a store of this name is emptied.
        made: all of it but its cells.
        strip: its cells.

    Raises:
        OSError: the system refuses.
    """
    import zarr as library

    zarr: Any = library  # its versions differ in what they take
    group = zarr.open_group(str(path), mode="w", **_format(zarr))
    group.attrs.update(made.further)
    for name, own in made.coordinates.items():
        array = _array(zarr, path, name, own.values.shape, own.values.shape, own.values.dtype)
        array[...] = own.values
        array.attrs.update({**_plain(own.attributes), _DIMENSIONS: list(own.dimensions)})
    array = _array(zarr, path, made.variable, made.shape, chunks_of(made), np.dtype("f4"))
    known = {"_CRS": {"wkt": made.crs}} if made.crs else {}  # where GDAL looks for it
    array.attrs.update({**_plain(made.attributes), **known, _DIMENSIONS: list(made.dimensions)})
    fill(array, made, strip)
    zarr.consolidate_metadata(str(path))


def _array(
    zarr: Any, path: Path, name: str, shape: tuple[int, ...], chunks: tuple[int, ...], kind: np.dtype[Any]
) -> Any:
    return zarr.open_array(
        str(path / name),
        mode="w",
        shape=shape,
        chunks=tuple(max(1, size) for size in chunks),
        dtype=kind,
        # Every GDAL with Zarr has it. Version 2 of the library takes an object, version 3 what tells of it.
        compressor=zarr.Zlib(level=1) if hasattr(zarr, "Zlib") else {"id": "zlib", "level": 1},
        fill_value=np.nan if kind.kind == "f" else None,
        **_format(zarr),
    )


def _format(zarr: Any) -> dict[str, int]:
    """Return how a version of the library is asked for format 2."""
    return {"zarr_format" if int(zarr.__version__.partition(".")[0]) >= 3 else "zarr_version": 2}


def _plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes as JSON takes them."""
    return {name: value.tolist() if hasattr(value, "tolist") else value for name, value in attributes.items()}
