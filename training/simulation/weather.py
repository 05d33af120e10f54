"""Daily weather at large scale, from a seeded stochastic generator."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from training.simulation.noise import Process
from training.simulation.parameters import Parameters

MARGIN = 2  # coarse cells around the grid, so that fields can be interpolated up to its edge


@dataclass(frozen=True)
class Day:
    """A day's large-scale fields on the coarse grid and MARGIN cells around, (h + 2·MARGIN, …) each."""

    date: dt.date
    temperature: np.ndarray  # °C, at sea level
    humidity: np.ndarray  # relative, at sea level
    precipitation: np.ndarray  # mm/day, before any effect of the ground
    cloud: np.ndarray  # share of the sky
    eastward: np.ndarray  # m/s, wind
    northward: np.ndarray  # m/s
    pressure: np.ndarray  # hPa, at sea level


class Weather:
    """Gaussian fields, AR(1) in time and correlated in space, turned into weather.

    Wet days are those on which a field passes a threshold; amounts grow with the excess (a
    truncated power of a Gaussian field: Bardossy & Plate 1992, Water Resour. Res. 28(5)). The other
    variables hang on the same field, as in Richardson 1981.

    Args:
        parameters: of the run.
        warmth: (columns,) K by coarse column.
        wetness: (columns,) factor by coarse column.
    """

    def __init__(self, parameters: Parameters, warmth: np.ndarray, wetness: np.ndarray) -> None:
        grid, section = parameters.grid, parameters.weather
        rows, columns = (n + 2 * MARGIN for n in parameters.shape)
        size = grid.cell * grid.factor / 1000
        y, x = np.meshgrid(np.arange(rows) * size, np.arange(columns) * size, indexing="ij")
        names = ("temperature", "season_warmth", "wet", "season_wet", "cloud", "moisture", "pressure")
        kinds = [(name, getattr(section, name)) for name in names]
        kinds += [("eastward", section.wind), ("northward", section.wind)]
        self._processes = {
            name: Process(
                np.random.default_rng([section.seed, index]), x.ravel(), y.ravel(), kind.memory, kind.length
            )
            for index, (name, kind) in enumerate(kinds)
        }
        self._section, self._shape = section, (rows, columns)
        self._warmth = np.pad(warmth, MARGIN, mode="edge")[None]
        self._wetness = np.pad(wetness, MARGIN, mode="edge")[None]

    def day(self, date: dt.date) -> Day:
        """Return the weather of the next day, which has this date."""
        section = self._section
        x = {name: process.step().reshape(self._shape) for name, process in self._processes.items()}
        phase = 2 * np.pi * (date.timetuple().tm_yday - section.coldest) / 365.25
        winter = 0.5 * (1 + np.cos(phase))  # 1 in the coldest days, 0 in the warmest
        weight = section.season_wet_weight
        wet = (x["wet"] + weight * x["season_wet"]) / np.hypot(1, weight)
        excess = np.clip(wet - norm.ppf(1 - section.wet_share), 0, None)
        rain = section.amount * excess**section.exponent * self._wetness
        spread = winter * section.spread[0] + (1 - winter) * section.spread[1]
        temperature = section.mean - section.amplitude * np.cos(phase) + self._warmth
        temperature = temperature + section.season_spread * x["season_warmth"]
        # Wet days are mild in winter and cool in summer.
        temperature += spread * (0.95 * x["temperature"] + 0.3 * (2 * winter - 1) * np.clip(wet, -2, 2))
        cloud = 1 / (1 + np.exp(-(1.7 * wet + 0.7 * x["cloud"] + 0.1)))
        humidity = section.humidity + 0.08 * x["moisture"] + 0.3 * (cloud - 0.5)
        strength = (0.8 + 0.35 * winter) * (1 + 0.22 * np.clip(wet, -1, 2.5))
        return Day(
            date=date,
            temperature=temperature,
            humidity=np.clip(humidity, 0.2, 1.0),
            precipitation=rain,
            cloud=cloud,
            eastward=strength * (section.flow[0] + section.flow_spread * x["eastward"]),
            northward=strength * (section.flow[1] + section.flow_spread * x["northward"]),
            pressure=1015 + 7 * x["pressure"] - 4 * wet,
        )
