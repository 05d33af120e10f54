"""What a run's files alone cost: GDAL unpacks all that is read and packs what is written, and nothing else.

No program that reads these files and writes this one beside a network, on the same cores, can be nearer to
the bare network than `ceiling`: it is measured, not reckoned.
"""

from __future__ import annotations

import time

import numpy as np
import rasterio
from rasterio.windows import Window

from engine.pipeline.request import SuperResolveRequest
from engine.raster.written.raster_writer import RasterWriter

_ROWS = 512  # read at a time, whole blocks of them


def files_alone(request: SuperResolveRequest) -> float:
    """Return the computing seconds, over all threads, of reading a run's rasters and writing its result.

    Args:
        request: of a run that is done: its result is there, and is written once more beside it.
    """
    start = time.process_time()
    for ref in (request.target, *request.sources.values()):
        with rasterio.open(ref.path) as raster:
            for row in range(0, raster.height, _ROWS):
                window = Window(0, row, raster.width, min(_ROWS, raster.height - row))
                for band in raster.indexes:
                    raster.read(band, window=window)
    reading = time.process_time() - start
    with rasterio.open(request.output) as made:
        field, transform, crs = made.read(1).astype(np.float32, copy=False), made.transform, made.crs
    start = time.process_time()
    rows, columns = field.shape
    with RasterWriter(f"{request.output}.again.tif", columns, rows, transform, crs) as writer:
        for row in range(0, rows, _ROWS):
            writer.write(field[row : row + _ROWS], row, 0)
    return reading + time.process_time() - start


def ceiling(alone: float, bare: float, threads: int) -> float:
    """Return the best rate of a run over that of the bare network.

    Args:
        alone: computing seconds of `files_alone`.
        bare: seconds of the bare network for the same cells, on all threads.
        threads: that share the work, at best without any wait.
    """
    return bare / (bare + alone / threads)
