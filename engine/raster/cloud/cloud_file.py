"""A variable of a Zarr store on a server, or of references, read as that of a CF file is."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import EngineError, InputError
from engine.files.file_facts import Facts, file_facts
from engine.raster.cf.axes import NoAxesError
from engine.raster.cf.cf_file import CfFile
from engine.raster.cf.variables import LIBRARY, open_field
from engine.raster.cloud.cloud_name import CloudName
from engine.raster.cloud.server_facts import spread
from engine.raster.cloud.transport import LISTED
from engine.raster.raster_file import go_on
from engine.raster.reference import RasterRef

if TYPE_CHECKING:
    from engine.raster.cloud.cloud_store import CloudStore


class CloudFile(CfFile):
    """One variable with CF axes.

    Args:
        name: of the store or the references, and the variable.
        ref: as the user names it.
        label: how sentences call it.
        check: see `RasterFile`.

    Raises:
        InputError: it cannot be had; no such variable, axes that are no even grid, no CRS.
        EngineError: a package is missing.
    """

    def __init__(
        self, name: CloudName, ref: RasterRef, label: str, check: Callable[[], None] = go_on
    ) -> None:
        self.label, self._name, self._ref, self.check = label, ref.path, ref, check
        self._chunks_owner, self._path = object(), ""
        called = f"{label}: {ref.path}"
        self._store = _opened(name, called)
        with LIBRARY:
            self._data, variable = self._field(name, called)
            self._variable = variable
            try:
                self._open(variable, ref)
            except NoAxesError:
                self.close()
                raise InputError(
                    f"{called} has no axes that say where its cells lie (coordinates of one dimension, named "
                    "or described as CF asks): add them first."
                ) from None
            except BaseException:
                self.close()
                raise

    def _field(self, name: CloudName, called: str) -> tuple[Any, str]:
        try:
            return open_field(self._store, name.variable, called)
        except InputError:
            if not self._store.unlisted:
                raise
            raise InputError(
                f"{called}: its server does not list what lies in the store, and the store's metadata are "
                "not consolidated: let zarr.consolidate_metadata do that where it lies."
            ) from None

    @property
    def files(self) -> tuple[str, ...]:
        """See `RasterFile.files`: of references here, their own, and those that they lead to."""
        path = Path(self._store.name.address)
        own = [str(p) for p in path.rglob("*") if p.is_file()] if path.is_dir() else [str(path)]
        return tuple(name for name in (*own, *sorted(self._store.local_targets)) if os.path.isfile(name))

    @property
    def elsewhere(self) -> bool:
        """See `RasterFile.elsewhere`."""
        return self._store.remote

    def server_facts(self) -> Facts | None:
        """See `RasterFile.server_facts`: of the metadata and some chunks; and of files here, theirs."""
        told, here = self._store.server_facts(self._some_chunks()), self.files
        if told is None or not here:
            return told
        own = file_facts(here) or {}
        facts: Facts = {
            "bytes": int(told.get("bytes", 0)) + int(own.get("bytes", 0)),
            "objects": int(told.get("objects", 1)) + len(here),
        }
        both = "digest" in told and "digest" in own
        return facts | ({"digest": f"{told['digest']}-{own['digest']}"} if both else {})

    def _some_chunks(self) -> list[str]:
        """Return the keys of chunks, or shards, that lie evenly over the variable."""
        import zarr

        group: Any = zarr.open_group(self._store, mode="r")
        named = (each for each in (self._store.name.variable, self._variable) if each and each in group)
        deeper = (path for path, _ in group.members(max_depth=None) if path.endswith(f"/{self._variable}"))
        array = group[next(named, None) or next(deeper)]
        sizes = array.shards or array.chunks
        counts = [math.ceil(n / size) for n, size in zip(array.shape, sizes, strict=True)]
        places = (np.unravel_index(i, counts) for i in spread(math.prod(counts)))
        keys = (array.metadata.encode_chunk_key(tuple(map(int, place))) for place in places)
        return [f"{array.path}/{key}" for key in keys]


def _opened(name: CloudName, called: str) -> CloudStore:
    """Open a store; what that needs is imported here."""
    try:
        from engine.raster.cloud.cloud_store import CloudStore
    except ImportError:  # Zarr's library of version 2 has no such stores
        raise EngineError(
            f"{called} needs version 3 of the package zarr and Python 3.11: install what {LISTED} lists."
        ) from None
    return CloudStore(name, called)
