"""Monthly rain of the ITU-R digital maps (PyPI's `itur` package), 80°N–70°S.

Target: mean monthly rainfall, P.837-7, 0.25° (mm/month), aggregated by plain block means. Sources:
mean monthly 2 m temperature, P.1510-1, 0.75° nodes (°C);
topography, P.1511-2, 1/12° (m); the target's climatology, from training months.

The arrays carry padding beyond the globe (one cell for rain, two for topography) and rain and
temperature run from south to north.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from engine.dates import When
from engine.errors import InputError
from engine.raster.grids import cell_sizes
from training.data.archive import Archive, ArchiveSource, NativeRaster, block_mean, crop, overlap_weights

NORTH, SOUTH = 80.0, -70.0
CELL = 0.25
CRS = "EPSG:4326"
MONTHS = np.arange(1, 13)
KELVIN = 273.15
CITATION = (
    "International Telecommunication Union, Recommendations ITU-R P.837-7 (2017), P.1510-1 (2017) and "
    "P.1511-2 (2019), digital maps, as distributed with ITU-Rpy (del Portillo 2017)."
)


def load(factor: int, region: Sequence[float] | None = None) -> Archive:
    """Return the archive of 12 months; the coarse cells are `factor` × 0.25°.

    Args:
        factor: fine cells along a coarse cell's edge.
        region: xmin, ymin, xmax, ymax in degrees of a part of it, on edges of coarse cells.

    Raises:
        InputError: itur is not installed, or factor or region do not fit the maps.
    """
    height, width = round((NORTH - SOUTH) / CELL), round(360 / CELL)
    if height % factor or width % factor:
        raise InputError(
            f"factor: {factor} does not divide the {height} × {width} cells of the ITU-R rain map."
        )
    rain = rain_maps()
    size = CELL * factor
    transform = Affine(size, 0, -180, 0, -size, NORTH)
    temperature = _temperature_on(NORTH, size, height // factor, width // factor)
    archive = Archive(
        name="itur",
        title="Monthly rain of the ITU-R digital maps",
        citation=CITATION,
        simulated=False,
        factor=factor,
        target_name="rain",
        target_title="Mean monthly rainfall",
        units="mm/month",
        weights="count",
        months=MONTHS,
        days=np.array([_mid_month(int(m)) for m in MONTHS]),
        dates=tuple(f"--{m:02d}" for m in MONTHS),
        period="long-term monthly means",
        coarse=block_mean(rain, factor),
        fine=rain,
        transform=transform,
        crs=CRS,
        wrap=True,
        cell_size=cell_sizes(GeoBox((height, width), transform * Affine.scale(1 / factor), CRS)),
        sources={
            "temperature": ArchiveSource(
                "temperature",
                "degC",
                "coarse",
                "Mean monthly 2 m temperature",
                dynamic=True,
                values=temperature,
            ),
            "elevation": ArchiveSource(
                "elevation", "m", "fine", "Elevation", values=block_mean(topography(), 3)[None, None]
            ),
            "climatology": ArchiveSource(
                "climatology", "mm/month", "fine", "Rainfall climatology", kind="climatology"
            ),
        },
        native=native,
    )
    return archive if region is None else crop(archive, region)


@lru_cache(maxsize=1)
def rain_maps() -> np.ndarray:
    """Return (12, 600, 1440) mm/month, north up, 180°W–180°E."""
    top, bottom = round((90 - NORTH) / CELL), round((90 - SOUTH) / CELL)
    maps = [_read(f"837/v7_mt_month{m:02d}.npz")[1:-1, 1:-1][::-1][top:bottom] for m in MONTHS]
    return np.stack(maps).astype(np.float32)


@lru_cache(maxsize=1)
def topography() -> np.ndarray:
    """Return (1800, 4320) metres, 1/12°, north up, 180°W–180°E."""
    top, bottom = round((90 - NORTH) * 12), round((90 - SOUTH) * 12)
    return _read("1511/v2_topo.npz")[2:-2, 2:-2][top:bottom].astype(np.float32)


@lru_cache(maxsize=1)
def temperature_nodes() -> np.ndarray:
    """Return (12, 241, 481) kelvin at nodes 0.75° apart, 90°N–90°S, 180°W–180°E."""
    return np.stack([_read(f"1510/v1_t_month{m:02d}.npz")[::-1] for m in MONTHS]).astype(np.float32)


def node_map(name: str, latitude: str, longitude: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a map of nodes, north up from 180°W on, each of its meridians once.

    Args:
        name, latitude, longitude: of the package's arrays, without the suffix.

    Returns:
        (H, W) float32 in the map's own units, the latitudes (H,) and the longitudes (W,) of its nodes.
    """
    values, rows, columns = (_read(f"{file}.npz") for file in (name, latitude, longitude))
    values, rows, columns = values[:, :-1], rows[:, 0], columns[0, :-1]  # the last column repeats the first
    if rows[0] < rows[-1]:
        values, rows = values[::-1], rows[::-1]
    columns = np.where(columns >= 180, columns - 360, columns)
    order = np.argsort(columns)
    return np.ascontiguousarray(values[:, order], np.float32), rows, columns[order]


def native(time: int) -> list[NativeRaster]:
    """Return the sources of one time as published: temperature in kelvin at 0.75°, elevation at 1/12°."""
    first, last = round((90 - NORTH) / 0.75) - 2, round((90 - SOUTH) / 0.75) + 2
    latitude, longitude = node_edges()
    temperature = temperature_nodes()[time, first:last, :-1]  # the last column repeats the first
    return [
        NativeRaster(
            "temperature",
            temperature,
            Affine(0.75, 0, longitude[0], 0, -0.75, latitude[first]),
            "K",
            f"--{MONTHS[time]:02d}",
        ),
        NativeRaster("elevation", topography(), Affine(1 / 12, 0, -180, 0, -1 / 12, NORTH), "m"),
    ]


def node_edges() -> tuple[np.ndarray, np.ndarray]:
    """Return latitudes (242) and longitudes (482) of the edges of cells centred on the nodes."""
    latitude = 90.375 - 0.75 * np.arange(242)
    longitude = -180.375 + 0.75 * np.arange(482)
    return latitude, longitude


def _temperature_on(north: float, size: float, height: int, width: int) -> np.ndarray:
    """Return (12, 1, h, w) °C: area-weighted means of the node cells, as a warp by average gives."""
    latitude, longitude = node_edges()
    rows = overlap_weights(latitude, north - size * np.arange(height + 1))
    columns = overlap_weights(longitude, -180 + size * np.arange(width + 1))
    celsius = temperature_nodes().astype(np.float64) - KELVIN
    return (rows @ celsius @ columns.T).astype(np.float32)[:, None]


def _mid_month(month: int) -> int:
    return When(None, month).day_of_year


def _read(name: str) -> np.ndarray:
    """Read one array of the package, without importing it (it pulls in astropy)."""
    module = find_spec("itur")
    if module is None or not module.submodule_search_locations:
        raise InputError("The data set itur needs the Python package itur: python -m pip install itur.")
    path = Path(next(iter(module.submodule_search_locations))) / "data" / name
    with np.load(path, allow_pickle=False) as file:
        return file[file.files[0]]
