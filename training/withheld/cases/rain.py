"""Monthly rain of the ITU-R maps; given are temperature and elevation."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from affine import Affine
from scipy.ndimage import map_coordinates

from engine.specs import TargetSpec
from training.data import itur
from training.data.archive import block_mean
from training.withheld.cases.place import CasePlace
from training.withheld.problem import Covariate, HiddenCase, hidden_case

MONTHS = (1, 4, 7, 10)
RAIN = TargetSpec("rain", "mm/month", conservation="multiplicative")
NODES = 0.75  # degrees between the temperature's nodes
CONTINENTS = {  # west, south, east, north
    "africa": (-20.0, -36.0, 54.0, 38.0),
    "south_america": (-84.0, -56.0, -34.0, 14.0),
    "north_america": (-130.0, 14.0, -56.0, 62.0),
    "asia": (60.0, 0.0, 146.0, 56.0),
    "europe": (-12.0, 36.0, 46.0, 72.0),
}


def rain(place: CasePlace, factor: int, continent: str = "") -> HiddenCase:
    """Return the rain of four months of all the maps, or of a continent."""
    months = MONTHS[:1] if place.quick else MONTHS
    west, south, east, north = CONTINENTS[continent] if continent else (-180.0, itur.SOUTH, 180.0, itur.NORTH)
    rows = slice(round((itur.NORTH - north) / itur.CELL), round((itur.NORTH - south) / itur.CELL))
    columns = slice(round((west + 180) / itur.CELL), round((east + 180) / itur.CELL))
    index = [month - 1 for month in months]
    height = block_mean(itur.topography(), 3)[None, rows, columns]
    size = round(itur.CELL * factor, 2)
    return hidden_case(
        f"rain{factor}" + (f"_{continent}" if continent else ""),
        itur.rain_maps()[index][:, rows, columns],
        factor,
        RAIN,
        [f"--{month:02d}" for month in months],
        [
            Covariate("temperature", "degC", _temperature()[index][:, rows, columns]),
            Covariate("elevation", "m", height),
        ],
        Affine(itur.CELL, 0, west, 0, -itur.CELL, north),
        itur.CRS,
        title=f"Rain, {continent.replace('_', ' ').title() or 'world'}, {size:g}° to {itur.CELL:g}°",
        origin="analysed",
        group="rain" + ("_continents" if continent else str(factor)),
    )


@lru_cache(maxsize=1)
def _temperature() -> np.ndarray:
    """Return (12, 600, 1440) °C: straight lines between the nodes."""
    nodes = itur.temperature_nodes() - itur.KELVIN
    latitude = itur.NORTH - itur.CELL * (np.arange(round((itur.NORTH - itur.SOUTH) / itur.CELL)) + 0.5)
    longitude = -180 + itur.CELL * (np.arange(round(360 / itur.CELL)) + 0.5)
    rows, columns = np.meshgrid((90 - latitude) / NODES, (longitude + 180) / NODES, indexing="ij")
    return np.stack([map_coordinates(month, (rows, columns), order=1) for month in nodes]).astype(np.float32)
