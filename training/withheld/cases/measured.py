"""Snow water equivalent measured by airborne lidar; given is elevation. The rasters are not ours to ship."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

from engine.errors import InputError
from engine.specs import TargetSpec
from training.withheld.cases.place import CasePlace
from training.withheld.problem import Covariate, HiddenCase, hidden_case

FOLDER = "aso_swe"
FACTOR = 16
LEAST = (
    25 / FACTOR**2
)  # share of a coarse cell that must be measured: a quarter of the flown cells are public
WATER = TargetSpec("swe", "m", conservation="multiplicative")


@dataclass(frozen=True)
class Range:
    """A mountain range: coarse rows and columns around its flights, and flights with many cells."""

    title: str
    rows: tuple[int, int]
    columns: tuple[int, int]
    dates: tuple[str, ...]


RANGES = {
    "sierra": Range(
        "Sierra Nevada",
        (94, 113),
        (29, 43),
        (
            *("2018-04-23", "2018-04-26", "2019-03-15", "2019-03-16"),
            *("2019-03-24", "2019-04-17", "2019-04-18", "2019-04-28"),
        ),
    ),
    "colorado": Range(
        "Colorado",
        (81, 107),
        (115, 130),
        ("2016-04-03", "2018-03-30", "2018-03-31", "2019-04-07", "2019-04-19", "2019-06-10"),
    ),
    "olympics": Range("Olympic Mountains", (0, 10), (0, 11), ("2016-02-08", "2016-03-29")),
}


def snow_water(place: CasePlace, area: str) -> HiddenCase:
    """Return the snow water equivalent of a mountain range; its truth is a quarter of the flown cells.

    Raises:
        InputError: the data set's folder is not there, or not whole.
    """
    chosen = RANGES[area]
    if place.shared is None:
        raise InputError(f"The snow water of {chosen.title} needs the folder {FOLDER}: give --shared.")
    folder = place.shared / FOLDER
    dates = chosen.dates[:2] if place.quick else chosen.dates
    (top, bottom), (left, right) = chosen.rows, chosen.columns
    window = Window(left * FACTOR, top * FACTOR, (right - left) * FACTOR, (bottom - top) * FACTOR)
    files = [folder / "swe_2013_2019" / f"swe_{date}.tif" for date in dates]
    height = folder / "terrain" / "elevation_filled.tif"
    for file in (*files, height):
        if not file.is_file():
            raise InputError(f"The data set {FOLDER} lacks {file}.")
    with rasterio.open(height) as raster:
        transform, crs = raster.window_transform(window), raster.crs.to_string()
    return hidden_case(
        f"swe16_{area}",
        np.stack([_read(file, window) for file in files]),
        FACTOR,
        WATER,
        dates,
        [Covariate("elevation", "m", _read(height, window)[None])],
        transform,
        crs,
        title=f"Snow water, {chosen.title}, 16 km to 1 km",
        origin="measured",
        group="swe",
        least=LEAST,
    )


def _read(path: Path, window: Window) -> np.ndarray:
    with rasterio.open(path) as raster:
        values: np.ndarray = raster.read(1, window=window, masked=True).astype(np.float32).filled(np.nan)
    return values
