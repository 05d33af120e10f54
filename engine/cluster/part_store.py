"""A Zarr store of format 3 whose chunks are a run's parts: each is written by one task, all side by side."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import EngineError
from engine.raster.written.cf_layout import CfDataset

_LEVEL = 1  # of zstd
Chunk = tuple[str, int, int]  # its file in the store, bytes, checksum


def create_store(
    path: Path, made: CfDataset, edge: tuple[int, int], further: Mapping[str, Any], tags: Mapping[str, Any]
) -> None:
    """Write all of a store but its cells.

    Args:
        path: of the store's folder; what is there is removed.
        made: what it is.
        edge: rows and columns of a chunk, which is of one band.
        further: attributes of the variable beside those of CF.
        tags: attributes of the store beside those of CF.

    Raises:
        EngineError: Zarr's library knows no format 3.
        OSError: the system refuses.
    """
    zarr = zarr_3()
    group = zarr.open_group(str(path), mode="w", zarr_format=3, attributes=_plain({**made.further, **tags}))
    for name, own in made.coordinates.items():
        array = group.create_array(
            name,
            shape=own.values.shape,
            dtype=own.values.dtype,
            chunks=tuple(max(1, n) for n in own.values.shape),
            dimension_names=list(own.dimensions),
            attributes=_plain(own.attributes),
            compressors=_compressors(),
            fill_value=np.nan if own.values.dtype.kind == "f" else 0,
        )
        array[...] = own.values
    known = {"_CRS": {"wkt": made.crs}} if made.crs else {}  # where GDAL before 3.13 looks for it
    rows, columns = made.shape[-2:]
    group.create_array(
        made.variable,
        shape=made.shape,
        dtype="float32",
        chunks=(*(1 for _ in made.shape[:-2]), min(edge[0], rows), min(edge[1], columns)),
        dimension_names=list(made.dimensions),
        attributes=_plain({**made.attributes, **known, **further}),
        compressors=_compressors(),
        fill_value=np.nan,
    )


def add_attributes(path: Path, tags: Mapping[str, Any]) -> None:
    """Add attributes of a store that are known only after its cells."""
    zarr_3().open_group(str(path), mode="r+").attrs.update(_plain(tags))


def zarr_3() -> Any:
    """Return Zarr's library.

    Raises:
        EngineError: it is too old.
    """
    import zarr

    if int(zarr.__version__.partition(".")[0]) < 3:
        raise EngineError(
            "Zarr's format 3 needs version 3 of the package zarr and Python 3.11: install what "
            "requirements-cluster.txt lists."
        )
    return zarr


@dataclass(frozen=True)
class PartArray:
    """The variable of a store, as it is handed to whoever writes or reads its parts.

    Attributes:
        store: the store's folder.
        variable: its name.
        leading: sizes of the dimensions before rows and columns.
    """

    store: str
    variable: str
    leading: tuple[int, ...]

    def write(self, band: int, row: int, col: int, values: NDArray[np.float32]) -> Chunk | None:
        """Write one chunk's cells; None where none of them has a value, so that nothing is stored.

        Args:
            band: from 0, date by date.
            row, col: of the first cell, within the chunk that starts at or before it.
            values: (rows, columns).
        """
        array = self._opened("r+")
        place = self._place(band)
        array[(*place, slice(row, row + values.shape[0]), slice(col, col + values.shape[1]))] = values
        sizes = array.chunks[-2:]
        index = (*place, row // sizes[0], col // sizes[1])
        name = "/".join((self.variable, "c", *map(str, index)))
        file = Path(self.store, name)
        if not file.exists():
            return None
        held = file.read_bytes()
        return name, len(held), zlib.crc32(held)

    def read(self, band: int, row: int, col: int, rows: int, columns: int) -> NDArray[np.float32]:
        """Return cells of a band, NaN where nothing is stored."""
        array = self._opened("r")
        values = array[(*self._place(band), slice(row, row + rows), slice(col, col + columns))]
        return np.asarray(values, np.float32)

    def _opened(self, mode: str) -> Any:
        return zarr_3().open_array(str(Path(self.store, self.variable)), mode=mode)

    def _place(self, band: int) -> tuple[int, ...]:
        return tuple(int(i) for i in np.unravel_index(band, self.leading)) if self.leading else ()


def is_store(path: Path, variable: str) -> bool:
    """Return whether a store is there with its variable, whatever of its cells is."""
    try:
        return all(json.loads((place / "zarr.json").read_bytes()) for place in (path, path / variable))
    except (OSError, ValueError):
        return False


def is_whole(store: Path, chunk: Sequence[Any]) -> bool:
    """Return whether a chunk's file is there as it was written."""
    name, size, checksum = chunk
    try:
        held = (store / name).read_bytes()
    except OSError:
        return False
    return len(held) == size and zlib.crc32(held) == checksum


def remove_leftovers(store: Path) -> None:
    """Remove what processes that were killed while they wrote have left."""
    for file in store.rglob("*.partial"):
        file.unlink(missing_ok=True)


def _compressors() -> Any:
    from zarr.codecs import ZstdCodec

    return [ZstdCodec(level=_LEVEL)]


def _plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes as JSON takes them."""
    return {name: value.tolist() if hasattr(value, "tolist") else value for name, value in attributes.items()}
