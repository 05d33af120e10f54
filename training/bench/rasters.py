"""Rasters of any size for a model, made block by block: smooth fields with some noise, compressed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window

from engine.package.card import Card
from engine.package.folder import Package
from engine.pipeline.request import SuperResolveRequest
from engine.raster.reference import RasterRef
from engine.specs import SourceSpec

WEST, NORTH = -60.0, 60.0
SPAN = 120.0  # degrees that the raster covers, whatever its size
BLOCK = 512
MONTHS = 12
DATE = "--11"
_RANGE = (0.0, 200.0)  # where the card tells no range
_STEPS = 4000  # of the integers that hold fine fields, between the ends of a range


def make_rasters(folder: Path, card: Card, coarse_cells: int, dates: int = 1) -> dict[str, Path]:
    """Write the target and every source of a model.

    Coarse fields are float32; fine ones are scaled 16-bit integers, as such data come. A
    climatology has twelve dated bands.

    Args:
        folder: where the GeoTIFFs go; it exists.
        card: of the model.
        coarse_cells: cells along each edge of the square target.
        dates: of the target, months of a year, at most 12; 1: it has none.

    Returns:
        Paths by name: "target" and the sources'.
    """
    target = SourceSpec("target", card.target.units, "coarse", range=card.target.range, dynamic=True)
    paths = {}
    for seed, source in enumerate((target, *card.sources)):
        fine = source.grid == "fine"
        cells = coarse_cells * (card.factor if fine else 1)
        paths[source.name] = folder / f"{source.name}_{coarse_cells}.tif"
        span = source.range or card.target.range or _RANGE
        bands = MONTHS if source.traits.of_target else dates if source is target else 1
        _write(paths[source.name], source, cells, fine, span, seed, bands)
    return paths


def request_for(
    package: Package, rasters: Mapping[str, Path], output: Path, device: str, without: Collection[str] = ()
) -> SuperResolveRequest:
    """Return the job of one date with every source of a model but those left out.

    Args:
        package: of the model.
        rasters: from `make_rasters`.
        output: to write.
        device: as a request names it.
        without: names of sources.
    """
    given = [source.name for source in package.card.sources if source.name not in without]
    return SuperResolveRequest(
        model=str(package.folder),
        target=RasterRef(str(rasters["target"])),
        output=str(output),
        sources={name: RasterRef(str(rasters[name])) for name in given},
        date=DATE,
        device=device,
    )


def _write(
    path: Path, source: SourceSpec, cells: int, fine: bool, span: tuple[float, float], seed: int, bands: int
) -> None:
    step = SPAN / cells
    profile = {
        "driver": "GTiff",
        "width": cells,
        "height": cells,
        "count": bands,
        "dtype": "uint16" if fine else "float32",
        "nodata": 65535 if fine else float("nan"),
        "crs": "EPSG:4326",
        "transform": Affine(step, 0, WEST, 0, -step, NORTH),
        "tiled": True,
        "blockxsize": 256,
        "blockysize": 256,
        "interleave": "band",
        "compress": "deflate",
        "predictor": 2 if fine else 3,
        "zlevel": 1,
        "num_threads": "all_cpus",
        "BIGTIFF": "IF_SAFER",
    }
    low, high = span
    noise = np.random.default_rng(seed).normal(0, 0.002, (BLOCK, BLOCK)).astype(np.float32)
    with rasterio.open(path, "w", **profile) as raster:
        if fine:
            raster.scales, raster.offsets = ((high - low) / _STEPS,) * bands, (low,) * bands
        raster.units = (source.units,) * bands
        for band in range(1, bands + 1):
            if bands > 1:
                raster.update_tags(band, DATE=f"--{band:02d}")
            for row in range(0, cells, BLOCK):
                for column in range(0, cells, BLOCK):
                    height, width = min(BLOCK, cells - row), min(BLOCK, cells - column)
                    share = _field(row, column, height, width, cells, seed + band)
                    share = (share + noise[:height, :width]).clip(0, 1)
                    values = np.rint(share * _STEPS) if fine else low + share * (high - low)
                    window = Window(column, row, width, height)
                    raster.write(values.astype(str(profile["dtype"])), band, window=window)


def _field(row: int, column: int, height: int, width: int, cells: int, seed: int) -> np.ndarray:
    """Return a smooth field in 0..1; its waves are those of the whole raster, not of the block."""
    y = (np.arange(row, row + height, dtype=np.float32) / cells)[:, None]
    x = (np.arange(column, column + width, dtype=np.float32) / cells)[None]
    waves = np.sin(9 * y + seed) * np.cos(7 * x) + 0.5 * np.sin(61 * x + 2 * seed) * np.cos(53 * y)
    return (0.5 + 0.3 * waves).astype(np.float32)
