"""Other fields of the ITU-R maps: temperature, humidity, clouds; given are elevation and the share of land.

They came in when the method was done, and were looked at once before it was changed again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from affine import Affine
from scipy.ndimage import map_coordinates, uniform_filter

from engine.specs import TargetSpec
from training.data import itur
from training.withheld.cases.place import CasePlace
from training.withheld.problem import Covariate, HiddenCase, hidden_case

Box = tuple[float, float, float, float]  # west, south, east, north
WORLD: Box = (-179.5, -60.0, 179.5, 76.0)
AMERICAS: Box = (-170.0, -56.0, -34.0, 72.0)
ASIA: Box = (40.0, -10.0, 150.0, 70.0)
EUROPE: Box = (-12.0, 35.0, 46.0, 72.0)
SEASONS = (1, 4, 7, 10)
SEA_LEVEL = 0.5  # metres: what is higher counts as land


@dataclass(frozen=True)
class Quantity:
    """A map of the Recommendations.

    Attributes:
        title: in tables.
        target: name, units, and whether it can be negative.
        maps: names of the package's arrays, one for each month of `SEASONS`, or one for the year.
        nodes: arrays of the nodes' latitudes and longitudes.
        lift: added to it.
    """

    title: str
    target: TargetSpec
    maps: tuple[str, ...]
    nodes: tuple[str, str]
    lift: float = 0.0


def _from_zero(name: str, units: str) -> TargetSpec:
    return TargetSpec(name, units, bounds=(0.0, None), conservation="multiplicative")


TEMPERATURE = Quantity(
    "2 m temperature (P.1510)",
    TargetSpec("temperature", "degC"),
    tuple(f"1510/v1_t_month{month:02d}" for month in SEASONS),
    ("1510/v1_lat", "1510/v1_lon"),
    -itur.KELVIN,
)
_P836, _P840 = ("836/v6_lat", "836/v6_lon"), ("840/v7_lat", "840/v7_lon")
VAPOUR = Quantity(
    "Water vapour density (P.836)", _from_zero("vapour_density", "g m-3"), ("836/v6_rho_50",), _P836
)
COLUMN = Quantity(
    "Columnar water vapour (P.836)", _from_zero("column_vapour", "kg m-2"), ("836/v6_v_50",), _P836
)
CLOUD = Quantity("Cloud liquid (P.840)", _from_zero("cloud_liquid", "kg m-2"), ("840/v7_lred_50",), _P840)
REFRACTIVITY = Quantity(
    "Wet refractivity (P.453)",
    _from_zero("wet_refractivity", "1"),
    ("453/v13_nwet_annual_50",),
    ("453/v13_lat_n", "453/v13_lon_n"),
)
RAIN_RATE = Quantity(
    "Rain rate of 0.01 % of the year (P.837)",
    _from_zero("rain_rate", "mm/h"),
    ("837/v7_r001",),
    ("837/v7_lat_r001", "837/v7_lon_r001"),
)
FREEZING = Quantity(
    "Height of 0 °C (P.839)",
    _from_zero("freezing_height", "km"),
    ("839/v4_esa0height",),
    ("839/v4_esalat", "839/v4_esalon"),
)

# Map, factor, region and its name, number of its months.
FIELDS: dict[str, tuple[Quantity, int, Box, str, int]] = {
    "temperature4": (TEMPERATURE, 4, WORLD, "world", 4),
    "temperature8_americas": (TEMPERATURE, 8, AMERICAS, "Americas", 4),
    "temperature8_asia": (TEMPERATURE, 8, ASIA, "Asia", 4),
    "temperature4_europe": (TEMPERATURE, 4, EUROPE, "Europe", 1),
    "vapour4": (VAPOUR, 4, WORLD, "world", 1),
    "column4": (COLUMN, 4, WORLD, "world", 1),
    "cloud4": (CLOUD, 4, WORLD, "world", 1),
    "refractivity4": (REFRACTIVITY, 4, WORLD, "world", 1),
    "refractivity8_americas": (REFRACTIVITY, 8, AMERICAS, "Americas", 1),
    "rainrate8_americas": (RAIN_RATE, 8, AMERICAS, "Americas", 1),
    "rainrate16_asia": (RAIN_RATE, 16, ASIA, "Asia", 1),
    "freezing4": (FREEZING, 4, WORLD, "world", 1),
}
QUICK = ("temperature4_europe", "refractivity8_americas")


def atmosphere(place: CasePlace, name: str) -> HiddenCase:
    """Return the case of one of `FIELDS`; its fine cells are the map's nodes, taken as cells."""
    quantity, factor, (west, south, east, north), where, months = FIELDS[name]
    maps = [itur.node_map(each, *quantity.nodes) for each in quantity.maps[:months]]
    _, latitude, longitude = maps[0]
    rows = np.flatnonzero((latitude > south) & (latitude < north))
    columns = np.flatnonzero((longitude > west) & (longitude < east))
    rows, columns = (index[: len(index) // factor * factor] for index in (rows, columns))
    truth = np.stack([values[np.ix_(rows, columns)] for values, _, _ in maps]) + np.float32(quantity.lift)
    step = round(float(longitude[1] - longitude[0]), 6)
    elevation = itur.topography()
    covariates = [
        Covariate("elevation", "m", _at(elevation, latitude[rows], longitude[columns], step)),
        Covariate(
            "land",
            "",
            _at((elevation > SEA_LEVEL).astype(np.float32), latitude[rows], longitude[columns], step),
        ),
    ]
    corner = (float(longitude[columns[0]]) - step / 2, float(latitude[rows[0]]) + step / 2)
    return hidden_case(
        name,
        truth,
        factor,
        quantity.target,
        [f"--{month:02d}" for month in SEASONS[: len(maps)]],
        covariates,
        Affine(step, 0, corner[0], 0, -step, corner[1]),
        itur.CRS,
        title=f"{quantity.title}, {where}, {step * factor:g}° to {step:g}°",
        origin="analysed",
        group=quantity.target.name,
    )


def _at(field: np.ndarray, latitude: np.ndarray, longitude: np.ndarray, step: float) -> np.ndarray:
    """Return (1, H, W): means of the topography's grid over the cells around nodes, about."""
    each = max(1, round(step * 12))
    rows, columns = np.meshgrid(
        (itur.NORTH - latitude) * 12 - 0.5, (longitude + 180) * 12 - 0.5, indexing="ij"
    )
    smooth = uniform_filter(field, (each, each), mode="nearest")
    sampled = map_coordinates(smooth, [rows, columns], order=1, mode="nearest")
    return sampled.astype(np.float32)[None]
