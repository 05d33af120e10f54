"""Tells totals since a start (a forecast's, the day's), which grow step by step, from amounts of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.raster.raster_file import RasterFile
from engine.raster.sampling import sample_windows

_CELLS = 4096  # that are looked at
_STEPS = 48  # at most
_PAIRS = (
    5  # steps after one with an amount, in one cell, none of which falls: not of rain that comes and goes
)
_WET = 4  # such cells
_SLACK = 1e-5  # of the largest amount: rounding of packed values


def is_running_total(file: RasterFile, dates: Sequence[Sequence[int]]) -> bool:
    """Return whether a file's amounts never fall while steps of a date go by.

    Args:
        file: open.
        dates: bands, from 0, of the steps of each date, in order of time. A total may begin anew after the
            first step of a date, which is the day before's last.
    """
    windows = sample_windows(file.georeference.height, file.georeference.width, file.block, _CELLS)
    growing, grown = np.zeros(0), np.zeros(0, bool)
    left = _STEPS
    for steps in dates:
        before = None
        for band in steps[1 : left + 1]:
            now = np.concatenate([file.read([band + 1], window).ravel() for window in windows])
            if before is not None:
                if not growing.size:
                    growing, grown = np.zeros(now.size), np.zeros(now.size, bool)
                slack = _SLACK * float(np.nanmax(np.abs(now), initial=0.0))
                wet = (before > slack) & np.isfinite(now)
                if np.any(wet & (now < before - slack)):
                    return False
                growing += wet
                grown |= wet & (now > before + slack)
            before = now
        left -= len(steps)
        if left <= 0:
            break
    wet_cells = growing[grown]
    return wet_cells.size >= _WET and float(np.median(wet_cells)) >= _PAIRS
