"""What every kind of raster file offers the reader: a grid, dated bands, and windows of their values."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from engine.dates import When
from engine.files.file_facts import Facts
from engine.raster.georeference import Georeference

_ROWS = 2_000_000  # cells read at once while a window is thinned


@dataclass(frozen=True)
class FileBand:
    """One field of a file."""

    units: str = ""  # as written
    when: When | None = None
    further: Mapping[str, str] = field(default_factory=dict)  # coordinates besides time, y and x: expver …


def go_on() -> None:
    """Never stop."""


class RasterFile(ABC):
    """An open raster file.

    Attributes:
        georeference: the grid, in the order in which windows are counted.
        bands: its fields, first to last.
        variable: the name of the one that they are of, "" where the format has none.
        attributes: what CF or GRIB says of it besides units: standard_name, cell_methods, stepType …
        names_numbers: whether its numbers stand for names: a colour table, or flags of CF.
        bare_numbers: whether they are whole numbers for which neither file nor user states a scale.
        doubts: what may be wrong with the file, as the end of a sentence.
        notes: on what the file left open and how it was taken.
        check: called between the pieces of longer reads; may raise to stop.
    """

    georeference: Georeference
    bands: Sequence[FileBand]
    variable: str = ""
    attributes: Mapping[str, str]
    step: str = ""  # between its dates, such as "month"
    notes: list[str]
    doubts: list[str]
    bare_numbers: bool
    check: Callable[[], None] = staticmethod(go_on)
    names_numbers: bool = False

    @abstractmethod
    def read(self, bands: Sequence[int], window: Window, labels: bool = False) -> NDArray[Any]:
        """Return (bands, rows, columns) of values in the file's units, float32 or wider, NaN where missing.

        Args:
            bands: 1-based.
            window: in rows and columns of the georeference, inside the file.
            labels: the values are class numbers.

        Raises:
            InputError: the file is damaged.
        """

    @property
    @abstractmethod
    def block(self) -> tuple[int, int]:
        """Rows and columns of the blocks that the file is best read in."""

    @property
    @abstractmethod
    def files(self) -> tuple[str, ...]:
        """The files on disk that it is read from."""

    @property
    def elsewhere(self) -> bool:
        """Whether cells of it lie on a server."""
        return False

    def server_facts(self) -> Facts | None:
        """Return what is to be the same of what lies on servers as long as it has not changed; asks them now.

        Without a `digest` a change may go unseen; None: nothing is told.
        """
        return None

    @property
    @abstractmethod
    def unnamed_missing(self) -> list[float]:
        """The file's numbers that were taken as missing so far though it does not name them."""

    @abstractmethod
    def close(self) -> None:
        """Close it."""


class ServerWatch:
    """Whether what servers tell of a raster is what they told when they were first asked.

    Args:
        ask: `RasterFile.server_facts`.
    """

    def __init__(self, ask: Callable[[], Facts | None]) -> None:
        self._ask = ask

    @cached_property
    def first(self) -> Facts:
        """What they told then; nothing where they tell nothing."""
        return self._ask() or {}

    @property
    def changed(self) -> bool:
        """Whether they tell something else now; one that does not answer is no other one."""
        return "digest" in self.first and "digest" in (now := self._ask() or {}) and now != self.first


def thinned(file: RasterFile, bands: Sequence[int], window: Window, step: int, labels: bool) -> NDArray[Any]:
    """Read one cell for step × step of a window: their mean over valid cells, or the first of class numbers.

    In pieces, so that memory holds few rows at a time. The last cell of a row or column may stand for
    fewer.
    """
    rows, columns = math.ceil(window.height / step), math.ceil(window.width / step)
    out = np.full((len(bands), rows, columns), np.nan, np.float32)
    many = max(1, _ROWS // max(1, window.width * step))
    for row in range(0, rows, many):
        file.check()
        top = row * step
        height = min(many * step, window.height - top)
        piece = Window(window.col_off, window.row_off + top, window.width, height)
        values = file.read(bands, piece, labels)
        if labels:
            out[:, row : row + many] = values[:, ::step, ::step]
            continue
        pad = ((0, 0), (0, -height % step), (0, -window.width % step))
        blocks = np.pad(values, pad, constant_values=np.nan)
        blocks = blocks.reshape(len(bands), blocks.shape[1] // step, step, columns, step)
        valid = np.isfinite(blocks)
        count = valid.sum((2, 4))
        total = np.where(valid, blocks, 0).sum((2, 4), dtype=np.float64)
        mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        out[:, row : row + many] = mean
    return out
