"""The nature run: landscape, then day after day weather and snow."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from engine.fields.conservation import aggregate
from training.simulation.micromet import MicroMet
from training.simulation.parameters import Parameters
from training.simulation.reanalysis import Reanalysis
from training.simulation.snow import SnowPack
from training.simulation.surface import Surface, surface
from training.simulation.terrain import by_region, elevation
from training.simulation.vegetation import Vegetation, vegetation
from training.simulation.weather import Weather

STEP = 1024  # depths are kept to 1/1024 m: finer digits mean nothing and do not compress


@dataclass(frozen=True)
class Kept:
    """A day of the store."""

    date: dt.date
    depth: np.ndarray  # (H, W) m, to 1/1024 m
    water: np.ndarray  # (H, W) mm
    forcings: dict[str, np.ndarray]  # (h, w) each


class Simulation:
    """A landscape and its snow, from the first day of the spin-up on.

    The same parameters give the same days.

    Args:
        parameters: of the run.
    """

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        height = elevation(parameters)
        self.plants: Vegetation = vegetation(parameters, height)
        self.surface: Surface = surface(parameters, height)
        self.pack = SnowPack(parameters, self.surface, self.plants)
        self._micromet = MicroMet(parameters, self.surface)
        k = parameters.grid.factor
        means = [by_region(parameters, name)[0].reshape(-1, k).mean(1) for name in ("warmth", "wetness")]
        self._weather = Weather(parameters, *means)
        self._reanalysis = Reanalysis(parameters)
        self.air: torch.Tensor = torch.zeros_like(self.surface.height)  # (H, W) °C, of the last day

    @torch.no_grad()
    def days(self) -> Iterator[tuple[dt.date, Kept | None]]:
        """Yield every day, and what of it is kept (nothing during the spin-up)."""
        period, k = self.parameters.period, self.parameters.grid.factor
        for date in period.dates:
            forcing = self._micromet.downscale(self._weather.day(date))
            depth = self.pack.step(date, forcing)
            self.air = forcing.temperature
            if not period.kept(date):
                yield date, None
                continue
            coarse = {
                name: self._reanalysis.disturb(name, aggregate(field, k).numpy())
                for name, field in forcing.sources().items()
            }
            kept = (depth * STEP).round() / STEP
            yield date, Kept(date, kept.numpy(), self.pack.water.numpy(), coarse)
