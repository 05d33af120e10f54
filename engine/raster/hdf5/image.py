"""The bytes of an HDF5 file, read piece by piece with the widths that its superblock gives."""

from __future__ import annotations

import os
from typing import BinaryIO

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MOST = 2**28  # bytes of structure; the values are never read
_LONGEST_NAME = 2**16


class UnknownStructureError(ValueError):
    """The file's structure is damaged, or of a kind that is not known here."""


class Image:
    """An HDF5 file's bytes; addresses count from its superblock.

    Args:
        stream: of the file.

    Raises:
        UnknownStructureError: it holds no superblock that is known.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._left = stream, _MOST
        self._size = os.fstat(stream.fileno()).st_size
        base = superblock(stream)
        if base is None:
            raise UnknownStructureError("no superblock")
        self._base = base
        start = self.read(0, 16)
        self.version = start[8]
        if self.version > 3:
            raise UnknownStructureError("superblock")
        self.offset, self.length = start[13:15] if self.version < 2 else start[9:11]
        if self.offset not in (2, 4, 8) or self.length not in (2, 4, 8):
            raise UnknownStructureError("widths")

    def read(self, at: int, count: int) -> bytes:
        """Return `count` bytes from an address.

        Raises:
            UnknownStructureError: they are not there, or far too many were asked for.
        """
        self._left -= count
        if count < 0 or self._left < 0 or not 0 <= at <= self._size - self._base - count:
            raise UnknownStructureError("beyond the file")
        self._stream.seek(self._base + at)
        return self._stream.read(count)

    def signed(self, at: int, signature: bytes, count: int) -> ByteFields:
        """Return the fields behind a signature; `count` counts the bytes after it."""
        data = self.read(at, len(signature) + count)
        if not data.startswith(signature):
            raise UnknownStructureError(signature.decode())
        return self.fields(data[len(signature) :])

    def fields(self, data: bytes) -> ByteFields:
        """Return bytes as fields of the file's widths."""
        return ByteFields(data, self.offset, self.length)

    def text(self, at: int) -> str:
        """Return the text at an address, up to its NUL."""
        return until_nul(self.read(at, min(_LONGEST_NAME, self._size - self._base - at)))


class ByteFields:
    """ByteFields taken one after another from some bytes, integers in little endian."""

    def __init__(self, data: bytes, offset: int, length: int) -> None:
        self.data, self.at = data, 0
        self._offset, self._length = offset, length

    def bytes(self, count: int) -> bytes:
        """Return the next `count` bytes.

        Raises:
            UnknownStructureError: there are fewer.
        """
        if count > len(self.data) - self.at:
            raise UnknownStructureError("cut off")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, count: int) -> int:
        """Return an integer of `count` bytes."""
        return int.from_bytes(self.bytes(count), "little")

    def address(self) -> int | None:
        """Return an address, None where it is the undefined one."""
        raw = self.bytes(self._offset)
        return None if raw == b"\xff" * self._offset else int.from_bytes(raw, "little")

    def size(self) -> int:
        """Return a length."""
        return self.number(self._length)


def superblock(stream: BinaryIO) -> int | None:
    """Return where the superblock lies: at 0, or behind a user block of 512, 1024, 2048 … bytes."""
    size, at = os.fstat(stream.fileno()).st_size, 0
    while at + len(SIGNATURE) <= size:
        stream.seek(at)
        if stream.read(len(SIGNATURE)) == SIGNATURE:
            return at
        at = at * 2 if at else 512
    return None


def until_nul(data: bytes) -> str:
    """Return text up to its NUL, as a sentence can show it."""
    return data.partition(b"\0")[0].decode("utf-8", "replace")
