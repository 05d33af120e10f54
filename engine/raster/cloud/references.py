"""References to pieces of other files, as kerchunk and VirtualiZarr write them; read as data, nothing is run.

Source: kerchunk's reference specification, versions 0 and 1, and its layout in Parquet.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from engine.broken_packages import importing
from engine.errors import InputError
from engine.raster.cloud.fetch_error import FetchError
from engine.raster.cloud.transport import LISTED, Transport

_LARGEST = 2**29  # bytes of a file of references
_TABLES = 16  # tables that are kept
_METADATA = (".zattrs", ".zgroup", ".zarray", "zarr.json")
TOO_LARGE = "holds references of more than 500 MB: write them as Parquet (kerchunk.df.refs_to_dataframe)"
_NONE = "holds no references as kerchunk writes them: check the name"


class Piece(NamedTuple):
    """Where an object's bytes lie: `size` of them from `start` on, or the whole of the file (None)."""

    address: str
    start: int | None = None
    size: int | None = None


Entry = bytes | Piece


class JsonReferences:
    """References of a JSON file.

    Args:
        text: of the file.
        called: how sentences call it.

    Raises:
        InputError: it holds none, or such that only a program can read.
    """

    def __init__(self, text: bytes, called: str) -> None:
        self._called = called
        try:
            held = json.loads(text)
        except (ValueError, RecursionError):
            raise InputError(f"{called} is no JSON: it is damaged, or of another kind.") from None
        if not isinstance(held, dict):
            raise InputError(f"{called} {_NONE}.")
        version = held.get("version")
        entries = held.get("refs") if version is not None or "refs" in held else held
        if version not in (None, 0, 1) or not isinstance(entries, dict) or not entries:
            raise InputError(f"{called} {_NONE}.")
        if held.get("gen"):
            raise InputError(
                f"{called} has references that are to be generated (gen), which is not done: write them out "
                "one by one first."
            )
        templates = held.get("templates") or {}
        if not isinstance(templates, dict):
            raise InputError(f"{called} {_NONE}.")
        self._templates = {f"{{{{{name}}}}}": str(value) for name, value in templates.items()}
        self._entries: Mapping[str, Any] = entries

    def get(self, key: str) -> Entry | None:
        """Return what stands for a key, None where nothing does."""
        if key not in self._entries:
            return None
        return entry_of(self._entries[key], self._called, self._filled)

    def all_keys(self) -> Iterator[str]:
        """Yield all keys."""
        yield from self._entries

    def addresses(self) -> set[str]:
        """Return where the pieces lie."""
        entries = (self.get(key) for key in self._entries)
        return {entry.address for entry in entries if isinstance(entry, Piece)}

    def _filled(self, address: str) -> str:
        """Return an address with its templates replaced, as texts."""
        for name, value in self._templates.items():
            address = address.replace(name, value)
        if "{{" in address:
            raise InputError(
                f"{self._called} has addresses that only a program of it could make ({{{{…}}}}), which is "
                "not run: write them out first."
            )
        return address


class TableReferences:
    """References of a folder of Parquet tables, of which those are read that are asked for.

    Args:
        root: the folder's address or path.
        transport: fetches the tables.
        called: how sentences call it.

    Raises:
        InputError: it holds none.
        FetchError: they cannot be had.
    """

    def __init__(self, root: str, transport: Transport, called: str) -> None:
        self._root, self._transport, self._called = root.rstrip("/"), transport, called
        text = transport.fetch(f"{self._root}/.zmetadata")
        try:
            held = json.loads(text or b"")
            self._metadata: dict[str, Any] = held["metadata"]
            self._size = int(held["record_size"])
            if not isinstance(self._metadata, dict) or self._size < 1:
                raise ValueError
        except (ValueError, KeyError, TypeError, RecursionError):
            raise InputError(f"{called} {_NONE}.") from None
        self._lock = threading.Lock()
        self._table = lru_cache(maxsize=_TABLES)(self._read)

    def get(self, key: str) -> Entry | None:
        """See `JsonReferences.get`."""
        if key in self._metadata:
            return json.dumps(self._metadata[key]).encode()
        field, _, chunk = key.rpartition("/")
        number = self._number(field, chunk)
        if number is None:
            return None
        record, row = divmod(number, self._size)
        with self._lock:
            table = self._table(field, record)
        if not table:
            return None
        try:
            return self._entry(table, row)
        except (IndexError, ValueError, TypeError, OverflowError):
            raise InputError(f"{self._called}: {self._damaged(field, record)}") from None

    def _entry(self, table: Mapping[str, Any], row: int) -> Entry | None:
        raw, path = (table[name][row] if name in table else None for name in ("raw", "path"))
        if raw is not None and not _is_nan(raw):
            return entry_of(raw, self._called)
        if path is None or _is_nan(path):
            return None
        start, size = int(table["offset"][row]), int(table["size"][row])
        if min(start, size) < 0:
            raise ValueError
        return Piece(str(path)) if (start, size) == (0, 0) else Piece(str(path), start, size)

    def all_keys(self) -> Iterator[str]:
        """Yield the keys of what describes arrays and groups; those of chunks are too many."""
        yield from self._metadata

    def _number(self, field: str, chunk: str) -> int | None:
        """Return a chunk's number in its array, None of a key that is none's."""
        try:
            array = self._metadata[f"{field}/.zarray"]
            place = [int(n) for n in chunk.split(".")]
            counts = [
                math.ceil(n / size) for n, size in zip(array["shape"], array["chunks"], strict=True)
            ] or [1]
            return int(np.ravel_multi_index(place, counts))
        except (KeyError, TypeError, ValueError, ZeroDivisionError):
            return None

    def _read(self, field: str, record: int) -> dict[str, Any]:
        """Return the columns of a table, none where there is none: no chunk of it is stored."""
        body = self._transport.fetch(f"{self._root}/{field}/refs.{record}.parq")
        if body is None:
            return {}
        with importing(LISTED):
            import fastparquet
        try:
            with redirect_stdout(io.StringIO()):  # where it complains of damaged ones
                frame = fastparquet.ParquetFile(io.BytesIO(body)).to_pandas()
            table = {str(name): frame[name].to_numpy() for name in frame.columns}
            if not {"raw", "path"} & set(table) or ("path" in table and not {"offset", "size"} <= set(table)):
                raise ValueError
        except Exception:  # of the library, which has many
            raise InputError(f"{self._called}: {self._damaged(field, record)}") from None
        return table

    @staticmethod
    def _damaged(field: str, record: int) -> str:
        return f"its table {field}/refs.{record}.parq cannot be read: copy or download it again."


def entry_of(value: Any, called: str, filled: Any = str) -> Entry:
    """Return what a value of kerchunk's means.

    Raises:
        InputError: it means nothing.
    """
    if isinstance(value, dict):
        return json.dumps(value).encode()
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        if not value.startswith(b"base64:"):
            return value
        try:
            return base64.b64decode(value[7:], validate=True)
        except (binascii.Error, ValueError):
            pass
    elif isinstance(value, list) and value and isinstance(value[0], str):
        if len(value) == 1:
            return Piece(filled(value[0]))
        if len(value) == 3 and all(isinstance(n, int) and n >= 0 for n in value[1:]):
            return Piece(filled(value[0]), value[1], value[2])
    raise InputError(f"{called} has a reference that means nothing: write it anew.")


def is_metadata(key: str) -> bool:
    """Return whether a key is that of what describes an array or a group."""
    return key.rpartition("/")[2] in (*_METADATA, ".zmetadata")


def read_references(
    kind: str, address: str, transport: Transport, called: str
) -> JsonReferences | TableReferences:
    """Read the references of a file or of a folder of tables.

    Raises:
        InputError: it holds none.
        FetchError: they cannot be had.
    """
    if kind == "parquet":
        return TableReferences(address, transport, called)
    text = transport.fetch(address)
    if text is None:
        raise FetchError("there is no such file: check the address")
    if len(text) > _LARGEST:
        raise InputError(f"{called} {TOO_LARGE}.")
    return JsonReferences(text, called)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
