"""Domains as rasters: which cells of a grid a mask marks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from engine.raster.reader import Raster
from engine.source_kinds import SourceKind, Values

INSIDE, OUTSIDE = 1, 0  # as packages write them; to a user's mask any number but 0 is inside
_HALF = 0.5  # of a cell


def domain_mask(raster: Raster, grid: GeoBox, beyond: bool = False) -> NDArray[np.bool_]:
    """Return which cells of a grid lie inside by at least half of their area, (rows, columns).

    Args:
        raster: its first band, or the one that its reference names: 0 outside, any other number inside.
        grid: whose cells are looked at.
        beyond: whether cells that the raster says nothing of are inside: those beyond it and without data.
    """
    band = raster.ref.band or 1
    if beyond:
        return raster.coverage(grid, band, _LEFT_OUT) < _HALF
    return raster.coverage(grid, band, _MARKED) >= _HALF


def _marked(values: Values, classes: object) -> Values:
    return (np.isfinite(values) & (values != OUTSIDE)).astype(np.float32)


def _left_out(values: Values, classes: object) -> Values:
    return (values == OUTSIDE).astype(np.float32)


_MARKED = SourceKind(lambda classes: ("marked",), _marked, labels=True)
_LEFT_OUT = SourceKind(lambda classes: ("left_out",), _left_out, labels=True)
