"""How a result's cells go from the plain file that a run has filled into arrays of chunks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from engine.raster.written.cf_layout import CfDataset

EDGE = 512  # cells along a chunk's edge
STRIP = 2**24  # cells that are held at once

# (band, first row, rows) → (rows, columns) float32, NaN where there is no value
Strips = Callable[[int, int, int], np.ndarray]


def chunks_of(made: CfDataset) -> tuple[int, ...]:
    """Return the size of a chunk: of one band, no larger than the field."""
    rows, columns = made.shape[-2:]
    return (*(1 for _ in made.shape[:-2]), min(EDGE, rows), min(EDGE, columns))


def fill(array: Any, made: CfDataset, strip: Strips) -> None:
    """Write all bands of a file, whole rows of chunks at a time.

    Args:
        array: takes values as NumPy's arrays do.
        made: what it is.
        strip: its cells.
    """
    rows, columns = made.shape[-2:]
    step = max(EDGE, STRIP // columns // EDGE * EDGE)
    for band in range(int(np.prod(made.shape[:-2], dtype=int))):
        for first in range(0, rows, step):
            count = min(step, rows - first)
            array[(*made.place(band), slice(first, first + count))] = strip(band, first, count)
