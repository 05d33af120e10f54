"""Rasters that the tests of the engine write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

WriteRaster = Callable[..., str]


@pytest.fixture()
def write_raster(tmp_path: Path) -> WriteRaster:
    """Return a function that writes an array as a GeoTIFF and returns its path.

    `values` is (rows, columns) or (bands, rows, columns); the grid is north up unless a
    `transform` is given; `dates` go into the bands' tags.
    """

    def write(
        name: str,
        values: np.ndarray,
        resolution: float = 1.0,
        left: float = 0.0,
        top: float = 0.0,
        crs: str | None = "EPSG:4326",
        transform: Affine | None = None,
        units: str = "",
        dates: list[str] | None = None,
        scale: float = 1.0,
        offset: float = 0.0,
        **profile: object,
    ) -> str:
        values = values if values.ndim == 3 else values[None]
        transform = transform or Affine(resolution, 0, left, 0, -resolution, top)
        path = tmp_path / name
        count, height, width = values.shape
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            count=count,
            height=height,
            width=width,
            dtype=values.dtype,
            transform=transform,
            crs=crs,
            **profile,
        ) as file:
            file.write(values)
            if units:
                file.units = (units,) * count
            if (scale, offset) != (1.0, 0.0):
                file.scales, file.offsets = (scale,) * count, (offset,) * count
            for band, date in enumerate(dates or [], start=1):
                file.update_tags(band, DATE=date)
        return str(path)

    return write
