"""The links of a group with many: messages in a fractal heap, listed by a B-tree of version 2.

Source: HDF5 File Format Specification 3.0, III.A.2, III.E and III.G.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.raster.hdf5.image import ByteFields, Image, UnknownStructureError

_BY_NAME = 5  # the type of a B-tree of links by their names
_OVERHEAD = 10  # bytes of a node besides records and pointers
_DEEPEST = 16


def dense_links(image: Image, heap: int, index: int) -> Iterator[ByteFields]:
    """Yield the link messages that a B-tree of names lists.

    Args:
        image: the file.
        heap: address of the fractal heap.
        index: address of the B-tree.

    Raises:
        UnknownStructureError: one of them is none that is known.
    """
    messages = _Heap.read(image, heap)
    for record in _records(image, index):
        yield messages.message(record[4:])  # behind the name's hash


def _records(image: Image, at: int) -> Iterator[bytes]:
    head = image.signed(at, b"BTHD", 12 + image.offset + 2 + image.length)
    head.bytes(1)  # version
    kind, node = head.number(1), head.number(4)
    record, depth = head.number(2), head.number(2)
    head.bytes(2)
    root, count = head.address(), head.number(2)
    if kind != _BY_NAME or record < 5 or depth > _DEEPEST or node <= _OVERHEAD + record:
        raise UnknownStructureError("B-tree")
    most = (node - _OVERHEAD) // record
    narrow, wide, total = _width(most), [0], most
    for _ in range(depth):
        pointer = image.offset + narrow + wide[-1]
        here = (node - _OVERHEAD - pointer) // (record + pointer)
        total = (here + 1) * total + here
        wide.append(_width(total))

    def walk(address: int | None, records: int, level: int) -> Iterator[bytes]:
        if address is None:
            return
        fields = image.signed(address, b"BTIN" if level else b"BTLF", node - 4)
        fields.bytes(2)
        yield from (fields.bytes(record) for _ in range(records))
        for _ in range(records + 1 if level else 0):
            child, inside = fields.address(), fields.number(narrow)
            fields.bytes(wide[level - 1])
            yield from walk(child, inside, level - 1)

    yield from walk(root, count, depth)


@dataclass(frozen=True)
class _Heap:
    """A fractal heap: blocks whose sizes double from row to row."""

    image: Image
    offset_width: int  # of offsets in the heap, in bytes
    length_width: int
    columns: int
    start: int  # bytes of a block in the first two rows
    direct_rows: int  # the rows below hold blocks of blocks
    root: int | None
    rows: int  # of the root; 0: it is the only block

    @classmethod
    def read(cls, image: Image, at: int) -> _Heap:
        head = image.signed(at, b"FRHP", 1 + 2 + 2 + 1 + 4 + 3 * image.offset + 12 * image.length + 10)
        head.bytes(3)
        filters = head.number(2)
        head.bytes(1)  # flags
        largest = head.number(4)
        head.size(), head.address(), head.size(), head.address()
        head.bytes(8 * image.length)
        columns, start, most, bits = head.number(2), head.size(), head.size(), head.number(2)
        head.bytes(2)
        root, rows = head.address(), head.number(2)
        if filters or columns < 1 or start < 1 or most < start or not 0 < bits <= 64:
            raise UnknownStructureError("heap")
        widest = min((most.bit_length() + 6) // 8, _width(largest))
        direct = most.bit_length() - start.bit_length() + 2
        return cls(image, (bits + 7) // 8, widest, columns, start, direct, root, rows)

    def message(self, name: bytes) -> ByteFields:
        """Return the link message of a heap ID."""
        fields = self.image.fields(name)
        if fields.number(1) & 0x30:  # kept apart for its size, which no link's is
            raise UnknownStructureError("heap ID")
        offset, length = fields.number(self.offset_width), fields.number(self.length_width)
        return self.image.fields(self.image.read(self._place(offset), length))

    def _place(self, offset: int) -> int:
        """Return the address of an offset in the heap."""
        address, rows, level = self.root, self.rows, 0
        while rows and address is not None:
            row, size = 0, self.start
            while offset >= self.columns * size:
                offset -= self.columns * size
                row, size = row + 1, size if row == 0 else size * 2
                if row >= rows:
                    raise UnknownStructureError("heap offset")
            column, offset = divmod(offset, size)
            address = self._child(address, row, column)
            inner = size.bit_length() - (self.start * self.columns).bit_length() + 1
            rows, level = (0 if row < self.direct_rows else inner), level + 1
            if level > _DEEPEST or rows < 0:
                raise UnknownStructureError("heap depth")
        if address is None:
            raise UnknownStructureError("heap block")
        return address + offset

    def _child(self, block: int, row: int, column: int) -> int | None:
        before = self.image.offset + self.offset_width
        self.image.signed(block, b"FHIB", 1)
        at = block + 5 + before + (row * self.columns + column) * self.image.offset
        return self.image.fields(self.image.read(at, self.image.offset)).address()


def _width(most: int) -> int:
    """Return in how many bytes a number up to `most` is written."""
    return (most.bit_length() - 1) // 8 + 1
