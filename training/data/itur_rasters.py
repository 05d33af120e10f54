"""Write the ITU-R maps of one month as rasters, as a user would have them: each on its own grid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

from engine.errors import InputError
from training.data import itur
from training.data.archive import block_mean

ALL_MONTHS = tuple(int(month) for month in itur.MONTHS)


def export_month(folder: Path, month: int, climatology_months: Sequence[int], factor: int) -> dict[str, Path]:
    """Write target, truth and sources of one month.

    Args:
        folder: where the GeoTIFFs go; made when absent.
        month: 1..12.
        climatology_months: the months that make the climatology, one dated band each.
        factor: cells of 0.25° along the edge of a coarse one.

    Returns:
        Paths by name: target (mm/month, plain block means), truth (0.25°), temperature (kelvin,
        0.75°), elevation (m, 1/12°), climatology (mm/month, 0.25°).

    Raises:
        InputError: no such month, or itur is not installed.
    """
    for wanted in (month, *climatology_months):
        if wanted not in ALL_MONTHS:
            raise InputError(f"There is no month {wanted}: months go from 1 to 12.")
    folder.mkdir(parents=True, exist_ok=True)
    rain = itur.rain_maps()
    fine = Affine(itur.CELL, 0, -180, 0, -itur.CELL, itur.NORTH)
    truth = rain[month - 1]
    temperature, grid = _temperature(month)
    paths = {name: folder / f"{name}.tif" for name in ("target", "truth", "temperature", "elevation")}
    paths["climatology"] = folder / "climatology.tif"
    rain_units = "mm/month"
    _write(paths["target"], block_mean(truth, factor)[None], fine * Affine.scale(factor), rain_units, [month])
    _write(paths["truth"], truth[None], fine, rain_units, [month])
    _write(paths["temperature"], temperature[None], grid, "K", [month])
    topography = Affine(1 / 12, 0, -180, 0, -1 / 12, itur.NORTH)
    _write(paths["elevation"], itur.topography()[None], topography, "m", [None])
    months = sorted(climatology_months)
    _write(paths["climatology"], rain[[m - 1 for m in months]], fine, rain_units, months)
    return paths


def _temperature(month: int) -> tuple[np.ndarray, Affine]:
    """Return the node cells that meet the region, and their transform."""
    latitude, longitude = itur.node_edges()
    rows = np.flatnonzero((latitude[1:] < itur.NORTH) & (latitude[:-1] > itur.SOUTH))
    values = itur.temperature_nodes()[month - 1, rows[0] : rows[-1] + 1]
    return values, Affine(0.75, 0, longitude[0], 0, -0.75, latitude[rows[0]])


def _write(
    path: Path, values: np.ndarray, transform: Affine, units: str, months: Sequence[int | None]
) -> None:
    """Write (bands, rows, columns) as a tiled GeoTIFF whose bands carry their month as a date."""
    bands, height, width = values.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=width,
        height=height,
        count=bands,
        dtype="float32",
        nodata=float("nan"),
        crs=itur.CRS,
        transform=transform,
        tiled=True,
        compress="deflate",
        predictor=3,
    ) as raster:
        raster.write(values.astype(np.float32))
        raster.units = (units,) * bands
        for band, month in enumerate(months, 1):
            if month is not None:
                raster.set_band_description(band, f"--{month:02d}")
                raster.update_tags(band, DATE=f"--{month:02d}")
