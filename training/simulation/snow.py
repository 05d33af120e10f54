"""The snow pack of each fine cell, day by day, in mm of water; nothing appears or is lost unaccounted."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from training.simulation.density import day_of_snow, depth_of
from training.simulation.micromet import Forcing, vapour_pressure, wet_bulb
from training.simulation.parameters import Parameters
from training.simulation.surface import Surface
from training.simulation.terrain import fill_hollows
from training.simulation.transport import drift_share, fall_shares, move, wind_shares
from training.simulation.vegetation import Vegetation


@dataclass
class Ledger:
    """Sums over the grid and over time, mm · cells."""

    snowfall: float = 0.0
    melt: float = 0.0
    sublimation: float = 0.0
    firn: float = 0.0  # what lasts beyond a water year turns to ice, and is no snow any more

    @property
    def storage(self) -> float:
        """What must still lie there."""
        return self.snowfall - self.melt - self.sublimation - self.firn


@dataclass
class SnowPack:
    """State and laws of the snow.

    Args:
        parameters: of the run.
        surface: the landscape.
        plants: its vegetation.
    """

    parameters: Parameters
    surface: Surface
    plants: Vegetation
    ledger: Ledger = field(default_factory=Ledger)

    def __post_init__(self) -> None:
        """Begin without snow."""
        section = self.parameters.snow
        self.forest = torch.from_numpy(self.plants.forest)
        self.open = 1 - self.forest
        area = self.parameters.vegetation.leaf_area
        self.capacity = section.intercept * area  # mm on a closed canopy
        shade = float(torch.exp(torch.tensor(-section.canopy_light * area)))
        self.light = self.open + self.forest * shade
        # Hollows are filled for the way down: snow fills them too.
        level = fill_hollows(self.surface.height.double().numpy(), np.random.default_rng(0))
        self.falls = fall_shares(torch.from_numpy(level).float(), self.parameters.grid.cell)
        degrees = torch.rad2deg(self.surface.steepness).clamp_min(1.0)
        self.holding = section.holding * degrees ** (-section.holding_exponent)
        self.holding = self.holding.clamp(max=section.deepest)  # m of depth
        self.holding[self.falls.sum(0) == 0] = torch.inf
        self.water = torch.zeros_like(self.forest)  # on the ground
        self.canopy = torch.zeros_like(self.forest)  # mm over the whole cell
        self.loose = torch.zeros_like(self.forest)  # part of the water that wind can lift
        self.warmth = torch.zeros_like(self.forest)  # K·day above freezing since the last fresh snow
        self.depth = torch.zeros_like(self.forest)  # m

    def step(self, date: dt.date, weather: Forcing) -> Tensor:
        """Go on by a day and return the depth, (H, W) m."""
        section, ledger = self.parameters.snow, self.ledger
        if (date.month, date.day) == (10, 1):
            ledger.firn += _sum(self.water) + _sum(self.canopy)
            self.water, self.canopy = torch.zeros_like(self.water), torch.zeros_like(self.canopy)
            self.loose = torch.zeros_like(self.loose)
        snowfall = weather.precipitation * snow_share(wet_bulb(weather.temperature, weather.relative))
        ledger.snowfall += _sum(snowfall)
        fallen = snowfall - self._intercept(snowfall, weather)
        self.water = self.water + fallen
        warm, above = thaw(weather.temperature, section.daily_spread)
        self.warmth = torch.where(snowfall > section.fresh_snow, torch.zeros(()), self.warmth + warm)
        self.loose = (self.loose + fallen) * torch.exp(-0.3 - 2.0 * warm)
        self._drift(weather)
        self._slide(date)
        fresh, fall, least = section.albedo
        albedo = (fresh - fall * torch.log10(1 + self.warmth)).clamp_min(least)
        sun = weather.shortwave * self.light
        possible = section.temperature_factor * warm + section.radiation_factor * (1 - albedo) * sun * above
        melt = torch.minimum(self.water, possible)
        self.water = self.water - melt
        ledger.melt += _sum(melt)
        gone = torch.minimum(self.water, self.open * surface_sublimation(weather))
        self.water = self.water - gone
        ledger.sublimation += _sum(gone)
        self.loose = torch.minimum(self.loose, self.water)
        self.depth = depth_of(self.water, day_of_snow(date), section.density)
        return self.depth

    def _intercept(self, snowfall: Tensor, weather: Forcing) -> Tensor:
        """Load, unload and thin the canopy's snow; return what of the snowfall did not reach the ground.

        Loading after Pomeroy et al. 1998, Hydrol. Process. 12, 2339–2367, unloading after Liston &
        Elder 2006b, J. Hydrometeorol. 7, 1259–1276; sublimation by the air's dryness.
        """
        section = self.parameters.snow
        room = (self.capacity * self.forest - self.canopy).clamp_min(0)
        load = torch.minimum(0.7 * room * (1 - torch.exp(-snowfall / self.capacity)), snowfall * self.forest)
        canopy = self.canopy + load
        gone = canopy * (section.canopy_loss * (1 - weather.relative))
        canopy = canopy - gone
        self.ledger.sublimation += _sum(gone)
        drop = torch.minimum(canopy, section.unload * weather.temperature.clamp_min(0) * self.forest)
        self.canopy = canopy - drop
        return load - drop

    def _drift(self, weather: Forcing) -> None:
        """Let the wind carry loose snow by one or two cells; part of it sublimates on the way."""
        section = self.parameters.snow
        lifted = drift_share(weather.wind, section.wind_threshold, section.wind_scale)
        moved = self.loose * lifted * self.open
        if float(moved.max()) < 0.01:
            return
        shares = wind_shares(weather.eastward, weather.northward)
        gone = section.drift_loss * moved
        self.ledger.sublimation += _sum(gone)
        self.water, self.loose = self.water - moved, self.loose - moved
        arriving = move(shares * (moved - gone))
        onward = arriving * lifted * self.open  # where it still blows, half a kilometre is not enough
        settled = arriving - onward + move(shares * onward)
        self.water = (self.water + settled).clamp_min(0)

    def _slide(self, date: dt.date) -> None:
        """Let snow slide off steep slopes beyond the depth that they hold (Bernhardt & Schulz 2010)."""
        depth = depth_of(self.water, day_of_snow(date), self.parameters.snow.density)
        share = ((depth - self.holding) / depth.clamp_min(1e-3)).clamp(0, 1)
        moved = share * self.water
        if float(moved.max()) > 0:
            self.water = self.water - moved + move(self.falls * moved)


def snow_share(wet: Tensor) -> Tensor:
    """Return the share of precipitation that falls as snow, by wet-bulb temperature in °C.

    Wang et al. 2019, Geophys. Res. Lett. 46, 13825–13835, eq. 1.
    """
    return 1 / (1 + 6.99e-5 * torch.exp(2.0 * (wet + 3.97)))


def thaw(celsius: Tensor, spread: float) -> tuple[Tensor, Tensor]:
    """Return the positive degree-days of a day and the share of it above freezing.

    Temperatures within the day are normal about their mean (Braithwaite 1984, J. Glaciol. 30(106)).
    """
    scaled = celsius / spread
    above = 0.5 * torch.erfc(-scaled / 2**0.5)
    return celsius * above + spread * 0.3989423 * torch.exp(-0.5 * scaled**2), above


def surface_sublimation(weather: Forcing) -> Tensor:
    """Return mm/day by Kuzmin's formula, (0.18 + 0.098·u)·(e_s − e) in hPa, never negative.

    As in Hock 2003's review, J. Hydrol. 282, 104–115; the surface is no warmer than melting snow.
    """
    surface = vapour_pressure(weather.temperature.clamp(max=0.0))
    return ((0.18 + 0.098 * weather.wind) * (surface - weather.vapour) / 100).clamp_min(0)


def _sum(field_: Tensor) -> float:
    return float(field_.sum(dtype=torch.float64))
