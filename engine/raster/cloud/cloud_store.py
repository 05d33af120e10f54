"""A Zarr store on a server, or one that references make of pieces of other files, for Zarr's library."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable
from typing import Any

from zarr.abc.store import OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest

from engine.errors import EngineError, InputError
from engine.files.file_facts import Facts
from engine.raster.cf.store_contents import check_metadata
from engine.raster.cloud.allowed_places import AllowedPlaces
from engine.raster.cloud.cloud_name import CloudName
from engine.raster.cloud.fetch_error import LARGEST, FetchError
from engine.raster.cloud.references import (
    JsonReferences,
    Piece,
    TableReferences,
    is_metadata,
    read_references,
)
from engine.raster.cloud.server_facts import server_facts
from engine.raster.cloud.told_address import is_address, told
from engine.raster.cloud.transport import Transport, plain_address

_KEPT = 2**26  # bytes of objects that were fetched last
_ROOTS = ("zarr.json", ".zmetadata", ".zgroup", ".zarray")


class CloudStore(Store):
    """Gives Zarr's library the objects of a store, each fetched when it is asked for; nothing is written.

    An object that is not there is one that was never written, which Zarr fills. All else that goes wrong is
    an `InputError` with its sentence, so that no cell is filled for want of a network.

    Args:
        name: of the store or the references.
        called: how sentences call it.

    Raises:
        InputError: there is no store, or it cannot be had.
    """

    supports_writes = False
    supports_deletes = False
    supports_partial_writes = False
    supports_listing = True

    def __init__(self, name: CloudName, called: str) -> None:
        super().__init__(read_only=True)
        self.name, self.called = name, called
        self._transport = Transport(name.address)
        self._root = plain_address(name.address).rstrip("/")
        self._places = AllowedPlaces(name.address, called)
        self._references: JsonReferences | TableReferences | None = None
        self._kept: OrderedDict[tuple[str, int | None, int | None], bytes] = OrderedDict()
        self._held, self._lock = 0, threading.Lock()
        self._absent: set[str] = set()  # of what describes arrays and groups
        self.unlisted = False  # whether a look at what lies in a folder saw nothing
        try:
            if name.kind != "store":
                self._references = read_references(name.kind, self._root, self._transport, called)
            elif all(self.value(key) is None for key in _ROOTS):
                raise InputError(f"{called}: no Zarr store lies there: check the address.")
        except FetchError as error:
            raise InputError(f"{called}: {error.reason}.") from None

    @property
    def local_targets(self) -> set[str]:
        """The files here that references lead to, as far as they are in memory."""
        if not isinstance(self._references, JsonReferences):
            return set()
        places = (self._places.whole(each) for each in self._references.addresses() if not is_address(each))
        return {place for place in places if not is_address(place)}

    @property
    def remote(self) -> bool:
        """Whether anything of it may lie on a server."""
        if is_address(self.name.address) or self._references is None:
            return True
        if isinstance(self._references, JsonReferences):
            return any(is_address(each) for each in self._references.addresses())
        return True

    def server_facts(self, keys: Iterable[str]) -> Facts | None:
        """Return what servers tell now of the store's root, or of the references, and of some objects.

        Args:
            keys: of these objects.

        Raises:
            InputError: what was read has become another one since.
        """
        roots: Iterable[str] = (f"/{key}" for key in _ROOTS if self.value(key) is not None)
        if self._references is not None:
            roots = ("",) if isinstance(self._references, JsonReferences) else ("/.zmetadata",)
        objects = dict.fromkeys(f"{self._root}{end}" for end in roots)
        objects |= dict.fromkeys(filter(None, map(self._address, keys)))
        try:
            return server_facts(self._transport, [each for each in objects if is_address(each)])
        except FetchError as error:
            raise InputError(f"{self.called}: {error.reason}.") from None

    def _address(self, key: str) -> str | None:
        """Return where an object lies, None of one within references, and of one that cannot be read."""
        if self._references is None:
            return f"{self._root}/{key}"
        try:
            entry = self._entry(key)
            return self._places.whole(entry.address) if isinstance(entry, Piece) else None
        except InputError:
            return None

    def _entry(self, key: str) -> bytes | Piece | None:
        """Return what references hold of a key.

        Raises:
            InputError: they cannot be had.
        """
        if self._references is None:
            return None
        try:
            return self._references.get(key)
        except FetchError as error:
            raise InputError(f"{self.called}, {key}: {error.reason}.") from None

    def value(self, key: str, start: int | None = None, size: int | None = None) -> bytes | None:
        """Return an object's bytes, or a piece's; None where there is no such object.

        Args:
            key: of the object.
            start: first byte; below zero: so many at the end.
            size: bytes from there on; None: all.

        Raises:
            InputError: it cannot be had, or must not.
        """
        place = key, start, size
        with self._lock:
            if key in self._absent:
                return None
            if place in self._kept:
                self._kept.move_to_end(place)
                return self._kept[place]
        try:
            body = self._object(key, start, size)
        except FetchError as error:
            raise InputError(f"{self.called}, {key}: {error.reason}.") from None
        if body is None:
            if is_metadata(key):
                self._absent.add(key)
            return None
        if is_metadata(key):
            check_metadata(body, self.called)
        with self._lock:
            if place not in self._kept and len(body) <= _KEPT // 4:
                self._kept[place] = body
                self._held += len(body)
            while self._held > _KEPT:
                self._held -= len(self._kept.popitem(last=False)[1])
        return body

    def _object(self, key: str, start: int | None = None, size: int | None = None) -> bytes | None:
        if self._references is None:
            return self._transport.fetch(f"{self._root}/{key}", start, size)
        entry = self._references.get(key)
        if entry is None:
            return None
        if isinstance(entry, bytes):
            cut = entry if start is None else entry[start:]
            return cut if size is None else cut[:size]
        return self._piece(entry, start, size)

    def _piece(self, piece: Piece, start: int | None, size: int | None) -> bytes:
        """Return bytes of a piece; counted from its own beginning.

        Raises:
            FetchError: they cannot be had. That the file is not there is a fault: it is referred to.
        """
        place = self._places.whole(piece.address)
        first, count = start, size
        if piece.size is not None:
            if piece.size > LARGEST:
                raise FetchError("it has references to more than 1 GB at once: write them anew")
            low = 0 if start is None else start if start >= 0 else max(0, piece.size + start)
            count = min(piece.size - low, piece.size if size is None else size)
            first = (piece.start or 0) + low
            if count <= 0:
                return b""
        shown = told(place)
        try:
            body = self._transport.fetch(place, first, count)
        except FetchError as error:
            raise FetchError(f"{shown}: {error.reason}") from None
        if body is None:
            raise FetchError(
                f"it refers to {shown}, which is not there: put it there, or write the references anew"
            )
        return body

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __reduce__(self) -> Any:
        return CloudStore, (self.name, self.called)

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        """See Zarr's `Store.get`."""
        start = size = None
        if isinstance(byte_range, RangeByteRequest):
            start, size = byte_range.start, byte_range.end - byte_range.start
        elif isinstance(byte_range, OffsetByteRequest):
            start = byte_range.offset
        elif isinstance(byte_range, SuffixByteRequest):
            start = -byte_range.suffix
        body = await asyncio.to_thread(self.value, key, start, size)
        return None if body is None else prototype.buffer.from_bytes(body)

    async def get_partial_values(self, prototype: Any, key_ranges: Iterable[tuple[str, Any]]) -> list[Any]:
        """See Zarr's `Store.get_partial_values`."""
        return list(await asyncio.gather(*(self.get(key, prototype, part) for key, part in key_ranges)))

    async def exists(self, key: str) -> bool:
        """See Zarr's `Store.exists`."""
        if self._references is not None:
            return self._entry(key) is not None
        return await asyncio.to_thread(self.value, key) is not None

    async def set(self, key: str, value: Any) -> None:
        """Refuse: nothing is written to a server."""
        raise EngineError(f"{self.called} can only be read.")

    async def delete(self, key: str) -> None:
        """Refuse, likewise."""
        raise EngineError(f"{self.called} can only be read.")

    async def list(self) -> AsyncIterator[str]:
        """See Zarr's `Store.list`: of references alone."""
        for key in () if self._references is None else self._references.all_keys():
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """See Zarr's `Store.list_prefix`."""
        async for key in self.list():
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """See Zarr's `Store.list_dir`."""
        folder = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        if self._references is None:
            names = await asyncio.to_thread(self._transport.names, f"{self._root}/{folder}".rstrip("/"))
            self.unlisted = not names
        else:
            below = (key[len(folder) :] for key in self._references.all_keys() if key.startswith(folder))
            names = sorted({key.partition("/")[0] for key in below})
        for each in names:
            yield each
