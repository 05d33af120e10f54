"""Fields that memory has no room for, in a temporary file that is gone when the process ends."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from threading import Lock
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor


class FieldFile:
    """A file of fields, written one after the other; made in the folder for temporary files when one comes.

    It is read, not mapped: what the system keeps of it in memory is not the process's own, and goes where
    memory is short.
    """

    def __init__(self) -> None:
        self._file: BinaryIO | None = None
        self._end = 0  # bytes
        self._turn = Lock()

    def put(self, field: Tensor) -> FieldOnDisk:
        """Write a field, (…, rows, columns), that lies on the processor.

        Raises:
            OSError: there is no room for it.
        """
        values = np.ascontiguousarray(field.detach().numpy())
        with self._turn:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="msr-fields-")  # noqa: SIM115
            start = self._end
            self._file.seek(start)
            self._file.write(values.data.cast("B") if values.size else b"")
            self._file.flush()
            self._end = start + values.nbytes
        return FieldOnDisk(self, start, tuple(values.shape), values.dtype)

    def read(self, start: int, size: int) -> bytes:
        """Return so many bytes from a place on.

        Raises:
            OSError: they are not there.
        """
        with self._turn:
            if self._file is None:
                raise OSError("the file of fields is closed")
            self._file.seek(start)
            held = self._file.read(size)
        if len(held) != size:
            raise OSError("the file of fields is shorter than what was written")
        return held

    def close(self) -> None:
        """Give its room back; fields in it can be read no more."""
        with self._turn:
            if self._file is not None:
                self._file.close()
            self._file, self._end = None, 0


@dataclass(frozen=True)
class FieldOnDisk:
    """A field, (…, rows, columns), in a file, from a byte on."""

    file: FieldFile
    start: int
    shape: tuple[int, ...]
    dtype: np.dtype

    def rows(self, top: int, bottom: int) -> Tensor:
        """Return some rows, first and last + 1, with all columns."""
        *lead, height, width = self.shape
        top, bottom = max(top, 0), min(bottom, height)
        count = max(bottom - top, 0) * width
        values = np.empty((math.prod(lead), count), self.dtype)
        for number, row in enumerate(values if count else ()):
            place = self.start + (number * height + top) * width * self.dtype.itemsize
            row[:] = np.frombuffer(self.file.read(place, row.nbytes), self.dtype)
        return torch.from_numpy(values.reshape(*lead, -1 if count else 0, width))


HeldField = Tensor | FieldOnDisk


def rows_of(field: HeldField, top: int, bottom: int) -> Tensor:
    """Return some rows of a field, in memory or in a file, with all columns."""
    return field.rows(top, bottom) if isinstance(field, FieldOnDisk) else field[..., top:bottom, :]
