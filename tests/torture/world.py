"""Made-up fields of which everything is known: values, places, dates and units."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from rasterio.transform import Affine

PROJECTED = ("EPSG:3035", "EPSG:32632", "EPSG:3857", "EPSG:5070", "ESRI:54009", "EPSG:27700")
_HEIGHT = {"EPSG:27700": 300_000.0, "ESRI:54009": 4_000_000.0}


@dataclass(frozen=True)
class World:
    """A field on a grid: north up, west left. `values` is (bands, rows, columns), NaN where missing."""

    quantity: str  # rain, temperature, elevation, climatology
    values: NDArray[np.float64]
    step: float  # cell size, units of the CRS
    left: float
    top: float
    crs: str
    units: str
    dates: tuple[str, ...] = ()

    @property
    def transform(self) -> Affine:
        """Return (column, row) → CRS."""
        return Affine(self.step, 0, self.left, 0, -self.step, self.top)

    @property
    def shape(self) -> tuple[int, int]:
        """Return rows and columns."""
        return self.values.shape[1], self.values.shape[2]

    @property
    def geographic(self) -> bool:
        """Whether the grid counts in degrees."""
        return self.crs == "EPSG:4326"

    @property
    def world_wide(self) -> bool:
        """Whether the columns go round the globe."""
        return self.geographic and abs(self.shape[1] * self.step - 360) < 1e-9

    @property
    def nonnegative(self) -> bool:
        """Whether negative values make no sense."""
        return self.quantity in ("rain", "climatology")

    def refined(self, factor: int) -> tuple[tuple[float, ...], tuple[int, int]]:
        """Return transform and shape of the grid with each cell divided."""
        fine = self.transform * Affine.scale(1 / factor)
        return tuple(fine)[:6], (self.shape[0] * factor, self.shape[1] * factor)

    def band(self, index: int) -> World:
        """Return one band alone."""
        dates = self.dates[index : index + 1] if self.dates else ()
        return replace(self, values=self.values[index : index + 1], dates=dates)


def coarse_world(rng: np.random.Generator, quantity: str = "", bands: int | None = None) -> World:
    """Draw a coarse field of rain or temperature, dated where it has several bands."""
    quantity = quantity or str(rng.choice(["rain", "rain", "temperature"]))
    count = bands or int(rng.choice([1, 1, 2, 3]))
    whole = rng.random() < 0.2
    if whole:
        step, (rows, cols), crs = (
            (15.0, (10, 24), "EPSG:4326") if rng.random() < 0.5 else (10.0, (14, 36), "EPSG:4326")
        )
        left, top = -180.0, rows * step / 2
    else:
        rows, cols = int(rng.integers(5, 13)), int(rng.integers(5, 16))
        if rng.random() < 0.65:
            crs, step = "EPSG:4326", float(rng.choice([0.25, 0.5, 1.0, 2.0, 2.5]))
            left = step * int(rng.integers(-180 / step, (180 - cols * step) / step + 1))
            if rng.random() < 0.3:  # across Greenwich
                left = -step * (cols // 2)
            top = step * int(rng.integers(-40 / step, 70 / step))
            top = min(max(top, -60 + rows * step), 80.0)
        else:
            crs = str(rng.choice(PROJECTED))
            step = float(rng.choice([1000.0, 5000.0, 25_000.0]))
            left = 4_000_000.0 if crs == "EPSG:3035" else 300_000.0
            top = _HEIGHT.get(crs, 3_000_000.0 if crs in ("EPSG:3035", "EPSG:5070") else 5_600_000.0)
    values = _values(rng, quantity, count, rows, cols)
    year, month = int(rng.integers(1990, 2020)), int(rng.integers(1, 10))
    dates = tuple(f"{year}-{month + i:02d}" for i in range(count)) if count > 1 or rng.random() < 0.3 else ()
    return World(quantity, values, step, left, top, crs, {"rain": "mm/month"}.get(quantity, "degC"), dates)


def _values(rng: np.random.Generator, quantity: str, count: int, rows: int, cols: int) -> NDArray[np.float64]:
    """Return values in tenths, so that packed integers hold them exactly; some are missing."""
    smooth = np.add.outer(
        np.sin(np.arange(rows) / 3 + rng.random()), np.cos(np.arange(cols) / 4 + rng.random())
    )
    shape = (count, rows, cols)
    if quantity == "rain":
        values = rng.gamma(1.2, 30, shape) * (1.5 + 0.5 * smooth) * (rng.random(shape) > 0.1)
        values[:, rng.integers(rows), rng.integers(cols)] = 0
    else:
        values = 8 + 9 * smooth + rng.normal(0, 3, shape)
    values = np.round(values, 1) + 0.0
    holes = rng.choice([0.0, 0.0, 0.05, 0.2])
    if holes:
        values[:, rng.random((rows, cols)) < holes] = np.nan
    return values


def ground(rng: np.random.Generator, coarse: World, factor: int, margin: int = 0) -> World:
    """Draw the elevation of a coarse field's fine grid, whole metres, with `margin` coarse cells around."""
    rows, cols = ((n + 2 * margin) * factor for n in coarse.shape)
    heights = rng.gamma(1.5, 300, (1, rows, cols)).round()
    step = coarse.step / factor
    left, top = coarse.left - margin * coarse.step, coarse.top + margin * coarse.step
    return World("elevation", heights, step, left, top, coarse.crs, "m")


def climate(rng: np.random.Generator, coarse: World, factor: int) -> World:
    """Draw a climatology of twelve months on a coarse field's fine grid."""
    rows, cols = (n * factor for n in coarse.shape)
    season = 1 + 0.5 * np.cos(2 * np.pi * np.arange(12) / 12 + rng.random())
    values = np.round(season[:, None, None] * (5 + rng.gamma(1.5, 25, (1, rows, cols))), 1)
    months = tuple(f"2001-{m:02d}" for m in range(1, 13))
    return World(
        "climatology", values, coarse.step / factor, coarse.left, coarse.top, coarse.crs, coarse.units, months
    )


def warmth(rng: np.random.Generator, coarse: World) -> World:
    """Draw a temperature on a coarse field's own grid and dates."""
    values = np.round(12 + rng.normal(0, 6, coarse.values.shape), 1)
    return replace(coarse, quantity="temperature", values=values, units="degC")
