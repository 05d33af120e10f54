"""Refuses HDF5 (and so NetCDF4) files that take values from other files: neither seen nor named by the user.

The libraries follow external links, external raw data and virtual datasets without asking, to whatever
path a file names. So every object of a file is looked at first: its links, where its values lie.

Source: HDF5 File Format Specification 3.0, II, III.A, III.B, III.D and IV.A.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.errors import InputError
from engine.raster.hdf5.dense_links import dense_links
from engine.raster.hdf5.image import ByteFields, Image, UnknownStructureError, superblock, until_nul

_LINK_INFO, _LINK, _EXTERNAL_FILES, _LAYOUT, _CONTINUED, _SYMBOLS = 0x02, 0x06, 0x07, 0x08, 0x10, 0x11
_VIRTUAL = 3  # a layout's class
_HARD, _SOFT, _EXTERNAL = 0, 1, 64  # a link's type
_LONGEST = 200


def check_within(path: str | Path, called: str) -> None:
    """Refuse a file whose links or values lead into others; one that is no HDF5 passes.

    Args:
        path: of a regular file.
        called: how sentences call it.

    Raises:
        InputError: names what it points to; or its structure cannot be followed.
        OSError: it cannot be read.
    """
    with open(path, "rb") as stream:
        if superblock(stream) is None:
            return
        try:
            target = next(_Walk(Image(stream)).outside(), None)
        except UnknownStructureError as error:
            raise InputError(
                f"{called} cannot be read as a NetCDF or HDF5 file: it is damaged or of another kind."
            ) from error
    if target is not None:
        target = target if len(target) <= _LONGEST else target[: _LONGEST - 1] + "…"
        raise InputError(
            f"{called} takes values from outside itself ({target}), which is not followed: copy it and what "
            f"it points to into one file, for instance with nccopy IN OUT."
        )


class _Walk:
    """Every object that can be reached in a file, each once."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.waiting: list[int] = []
        self.seen: set[int] = set()

    def outside(self) -> Iterator[str]:
        """Yield what objects point to in other files."""
        self._root()
        while self.waiting:
            at = self.waiting.pop()
            if at not in self.seen:
                self.seen.add(at)
                for kind, fields in self._messages(at):
                    yield from self._targets(kind, fields)

    def _root(self) -> None:
        image = self.image
        if image.version >= 2:
            fields = image.fields(image.read(12, 4 * image.offset))
            fields.bytes(3 * image.offset)
        else:
            at = (24 if image.version == 0 else 28) + 4 * image.offset
            fields = image.fields(image.read(at, image.length + image.offset + 24))
            fields.size()
        self._wait(fields.address())
        if image.version < 2 and fields.number(4) == 1:  # the root's table of names, kept twice
            fields.bytes(4)
            self._symbols(fields)

    def _wait(self, address: int | None) -> None:
        if address is not None:
            self.waiting.append(address)

    def _messages(self, at: int) -> Iterator[tuple[int, ByteFields]]:
        """Yield the messages of an object's header."""
        start = self.image.read(at, 12)
        new = start[:4] == b"OHDR"
        if new:
            flags = start[5]
            before = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
            width = 1 << (flags & 3)
            blocks = [(at + before + width, int.from_bytes(self.image.read(at + before, width), "little"))]
            further = 2 if flags & 4 else 0
        elif start[0] == 1:
            blocks, further = [(at + 16, int.from_bytes(start[8:12], "little"))], 0
        else:
            raise UnknownStructureError("object header")
        seen: set[int] = set()
        while blocks:
            place, size = blocks.pop()
            if place in seen:
                raise UnknownStructureError("object header")
            seen.add(place)
            fields = self.image.fields(self.image.read(place, size))
            while len(fields.data) - fields.at >= (4 + further if new else 8):
                kind, length = fields.number(1 if new else 2), fields.number(2)
                fields.bytes(1 + further if new else 4)
                message = self.image.fields(fields.bytes(length))
                if kind != _CONTINUED:
                    yield kind, message
                    continue
                address, held = message.address(), message.size()
                if address is not None and new:  # between a signature and a checksum
                    self.image.signed(address, b"OCHK", 0)
                    blocks.append((address + 4, held - 8))
                elif address is not None:
                    blocks.append((address, held))

    def _targets(self, kind: int, fields: ByteFields) -> Iterator[str]:
        if kind == _LINK:
            yield from self._link(fields)
        elif kind == _LINK_INFO:
            fields.bytes(1)  # version
            flags = fields.number(1)
            fields.bytes(8 if flags & 1 else 0)
            heap, index = fields.address(), fields.address()
            if heap is not None and index is not None:
                for link in dense_links(self.image, heap, index):
                    yield from self._link(link)
        elif kind == _SYMBOLS:
            self._symbols(fields)
        elif kind == _EXTERNAL_FILES:
            yield self._external(fields)
        elif kind == _LAYOUT:
            version, first, second = fields.number(1), fields.number(1), fields.number(1)
            if (first if version >= 3 else second) == _VIRTUAL:
                yield self._virtual(fields.data[2:])

    def _link(self, fields: ByteFields) -> Iterator[str]:
        fields.bytes(1)  # version
        flags = fields.number(1)
        kind = fields.number(1) if flags & 8 else _HARD
        fields.bytes((8 if flags & 4 else 0) + (1 if flags & 0x10 else 0))
        name = until_nul(fields.bytes(fields.number(1 << (flags & 3))))
        if kind == _HARD:
            self._wait(fields.address())
        elif kind == _EXTERNAL:
            held = fields.bytes(fields.number(2))
            yield until_nul(held[1:])
        elif kind != _SOFT:
            yield f"by a link of a kind of its own, {name}"

    def _symbols(self, fields: ByteFields) -> None:
        """Take the objects of an old group: its links are within the file, by its format."""
        nodes, seen = [fields.address()], set()
        while nodes:
            at = nodes.pop()
            if at is None or at in seen:
                continue
            seen.add(at)
            if self.image.read(at, 4) == b"SNOD":
                count = self.image.signed(at, b"SNOD", 4).number(4) >> 16
                size = self.image.length + self.image.offset + 24
                for entry in range(count):
                    held = self.image.fields(self.image.read(at + 8 + entry * size, size))
                    held.size()
                    address = held.address()
                    if held.number(4) != 2:  # no soft link
                        self._wait(address)
                continue
            head = self.image.signed(at, b"TREE", 4)
            kind = head.number(1)
            head.bytes(1)  # level
            count = head.number(2)
            if kind != 0:
                raise UnknownStructureError("B-tree")
            step = self.image.length + self.image.offset
            held = self.image.fields(
                self.image.read(at + 8 + 2 * self.image.offset, count * step + self.image.length)
            )
            for _ in range(count):
                held.size()
                nodes.append(held.address())

    def _external(self, fields: ByteFields) -> str:
        fields.bytes(8)
        heap, name = fields.address(), fields.size()
        if heap is None:
            raise UnknownStructureError("external files")
        head = self.image.signed(heap, b"HEAP", 4 + 2 * self.image.length + self.image.offset)
        head.bytes(4 + 2 * self.image.length)
        return self.image.text((head.address() or 0) + name)

    def _virtual(self, data: bytes) -> str:
        """Return the first file that a virtual dataset is put together from."""
        fields = self.image.fields(data)
        heap, wanted = fields.address(), fields.number(4)
        if heap is not None:
            end = self.image.signed(heap, b"GCOL", 4 + self.image.length)
            end.bytes(4)
            collection = self.image.fields(self.image.read(heap, end.size()))
            collection.bytes(8 + self.image.length)
            while len(collection.data) - collection.at >= 8 + self.image.length:
                index = collection.number(2)
                collection.bytes(6)  # how often it is pointed to
                size = collection.size()
                held = collection.bytes(-(-size // 8) * 8)
                if index == wanted:
                    version, rest = held[0], held[1 + self.image.length :]
                    return until_nul(rest) if version == 0 else "a virtual dataset"
                if index == 0:
                    break
        return "a virtual dataset"
