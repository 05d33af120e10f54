"""How far a result's means are from the coarse raster that it came from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rasterio.enums import Resampling

from engine.dates import When, match
from engine.feedback import Feedback
from engine.pipeline.method_choice import open_target
from engine.pipeline.request import SuperResolveRequest
from engine.raster.grids import window
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef

_BLOCK = 128  # coarse cells read at once, along each axis
_WHOLE = 0.999  # covered share from which a coarse cell counts


def against_original(
    request: SuperResolveRequest,
    units: str,
    output: Path,
    dates: list[When | None],
    feedback: Feedback,
) -> float:
    """Return the largest |mean of the output − target| over the original raster's whole cells.

    The output is averaged back by area-weighted overlap. Cells of the original raster that the
    output covers in part only are left out; NaN when none is whole.
    """
    target = open_target(request, units)
    result = Raster(RasterRef(str(output)), "output")
    target.check = result.check = feedback.check_cancelled
    largest = -np.inf
    try:
        grid = target.geobox
        for row in range(0, target.height, _BLOCK):
            for col in range(0, target.width, _BLOCK):
                feedback.check_cancelled()
                rows, cols = min(_BLOCK, target.height - row), min(_BLOCK, target.width - col)
                block = window(grid, row, col, rows, cols)
                if not result.overlaps(block):
                    continue
                for band, when in enumerate(dates, start=1):
                    source = request.target.band or (
                        match(target.dates, when, "target") + 1 if when and any(target.dates) else 1
                    )
                    target.take_dates([when])
                    truth = target.read(block, [source], Resampling.nearest)[0]
                    mean = result.read(block, [band], Resampling.average)[0]
                    share = result.coverage(block, band)
                    difference = np.abs(mean - truth)[(share > _WHOLE) & np.isfinite(mean - truth)]
                    if difference.size:
                        largest = max(largest, float(difference.max()))
    finally:
        target.close()
        result.close()
    return largest if np.isfinite(largest) else float("nan")
