"""The factor of a run that names a grid and no factor: how many of its cells lie along a coarse one."""

from __future__ import annotations

from contextlib import closing

from engine.errors import InputError
from engine.pipeline.request import SuperResolveRequest
from engine.raster.cloud.told_address import told
from engine.raster.footprint import scale
from engine.raster.grids import output_grid
from engine.raster.reader import Raster

LEAST, MOST = 2, 100
_SAME = 1.5  # fewer cells along a coarse one are the same cells, more or less


def factor_of_grid(request: SuperResolveRequest) -> int:
    """Return the whole number nearest to a target cell's edge over that of the grid asked for.

    Raises:
        InputError: no grid with a cell size is asked for, or its cells are no finer, or far too fine.
    """
    wanted = request.grid
    if wanted is None or not (wanted.like or wanted.resolution):
        raise InputError(
            f"The baseline {request.model} needs a factor (2 to 100): give --factor, or "
            "a finer grid (--like)."
        )
    with closing(Raster(request.target, "target")) as target:
        along = scale(target.georeference, output_grid(target, LEAST, wanted))
    what = f"the reference grid {told(wanted.like)}" if wanted.like else "the resolution asked for"
    if not along or 1 / along < _SAME:
        raise InputError(
            f"The cells of {what} are no finer than the target's: give a finer one, or the factor (--factor)."
        )
    factor = max(LEAST, round(1 / along))
    if factor > MOST:
        raise InputError(
            f"The cells of {what} are {factor} times finer than the target's, and {MOST} times is the most: "
            f"give a coarser one, or the factor (--factor)."
        )
    return factor
