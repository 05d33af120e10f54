"""Samples of a raster that cost the same however large it is: whole blocks, spread evenly."""

from __future__ import annotations

import math

import numpy as np
from rasterio.windows import Window

CELLS = 2**24  # of a band, in the blocks of a sample


def sample_windows(height: int, width: int, block: tuple[int, int], cells: int = CELLS) -> list[Window]:
    """Return windows that lie evenly over a raster: all of it, where it is small.

    Args:
        height, width: of the raster.
        block: rows and columns of the blocks that its file is read in.
        cells: in all windows together, but for one block at least.
    """
    rows, columns = (max(1, min(n, whole)) for n, whole in zip(block, (height, width), strict=True))
    columns = min(columns, cells)
    rows = min(rows, max(1, cells // columns))
    down, across = -(-height // rows), -(-width // columns)
    if height * width > cells:
        many = max(1, cells // (rows * columns))
        tall = max(1, min(down, round(math.sqrt(many * down / across))))
        wide = max(1, min(across, many // tall))
        tall = max(1, min(down, many // wide))
    else:
        tall, wide = down, across
    return [
        _window(row, column, rows, columns, height, width)
        for row in _spread(down, tall)
        for column in _spread(across, wide)
    ]


def _spread(count: int, wanted: int) -> list[int]:
    """Return whole numbers below `count`, as many as are wanted, evenly spread over their range."""
    return [int(n) for n in ((np.arange(wanted) + 0.5) * count / wanted)]


def _window(row: int, column: int, rows: int, columns: int, height: int, width: int) -> Window:
    top, left = row * rows, column * columns
    return Window(left, top, min(columns, width - left), min(rows, height - top))
