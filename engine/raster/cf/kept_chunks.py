"""Large chunks of NetCDF, HDF5 and Zarr, kept unpacked.

Neither HDF5 beyond its cache nor zarr keeps a chunk that it has unpacked: each piece of it that is read would
unpack the whole of it anew.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.raster.checks.declared_size import LARGEST_BLOCK

LARGE = 2**20  # bytes; smaller ones are unpacked in no time, and HDF5 keeps some of them
MOST = 2 * LARGEST_BLOCK  # bytes kept of all files together: two chunks at least


class KeptChunks:
    """The chunks that were used last, of all files.

    Args:
        most: bytes that are kept.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most, self.bytes = most, 0
        self._held: OrderedDict[tuple[object, tuple[int, ...]], NDArray[Any]] = OrderedDict()

    def get(
        self, owner: object, place: tuple[int, ...], size: int, unpack: Callable[[], NDArray[Any]]
    ) -> NDArray[Any]:
        """Return a chunk, unpacked if it is not there; others make room for it before.

        Args:
            owner: what stands for the file, until `forget`.
            place: of the chunk, counted in chunks.
            size: of the chunk in bytes.
            unpack: returns it.
        """
        key = owner, place
        if key in self._held:
            self._held.move_to_end(key)
            return self._held[key]
        while self._held and self.bytes + size > self._most:
            self._drop(next(iter(self._held)))
        chunk = unpack()
        chunk.setflags(write=False)
        self._held[key] = chunk
        self.bytes += chunk.nbytes
        return chunk

    def forget(self, owner: object) -> None:
        """Drop what a file has here."""
        for key in [key for key in self._held if key[0] is owner]:
            self._drop(key)

    def _drop(self, key: tuple[object, tuple[int, ...]]) -> None:
        self.bytes -= self._held.pop(key).nbytes


KEPT = KeptChunks()


def assembled(
    ranges: Sequence[tuple[int, int]],
    sizes: Sequence[int],
    chunk_at: Callable[[tuple[int, ...]], NDArray[Any]],
) -> NDArray[Any]:
    """Return a part of an array from the chunks that it lies in.

    Args:
        ranges: first cell and the one behind the last, along each dimension; none is empty.
        sizes: of a chunk along each dimension.
        chunk_at: returns the chunk at a place, counted in chunks.
    """
    out: NDArray[Any] | None = None
    spans = [range(a // size, -(-b // size)) for (a, b), size in zip(ranges, sizes, strict=True)]
    for place in product(*spans):
        starts = [n * size for n, size in zip(place, sizes, strict=True)]
        chunk = chunk_at(place)
        cut, into = [], []
        for (a, b), start, held in zip(ranges, starts, chunk.shape, strict=True):
            low, high = max(a, start), min(b, start + held)
            cut.append(slice(low - start, high - start))
            into.append(slice(low - a, high - a))
        if out is None:
            out = np.empty([b - a for a, b in ranges], chunk.dtype)
        out[tuple(into)] = chunk[tuple(cut)]
    if out is None:
        raise ValueError("an empty part")
    return out
