"""A raster that a caller holds in Python, in memory or read as it is needed, and no file that it names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from engine.raster.reference import RasterRef


@dataclass(frozen=True)
class HeldRaster(RasterRef):
    """An `xarray.DataArray` with CF axes; `path` is what sentences and provenance call it."""

    data: Any = field(default=None, compare=False, repr=False)
