"""A day's weather at 500 m: MicroMet (Liston & Elder 2006, J. Hydrometeorol. 7, 217–234)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.simulation.parameters import Parameters
from training.simulation.surface import SEASONS, Surface
from training.simulation.weather import MARGIN, Day

MAGNUS = (611.21, 17.502, 240.97)  # Pa, –, °C: over water (Buck 1981)
BOLTZMANN = 5.67e-8  # W/m²/K⁴
FREEZING = 273.15  # K


@dataclass(frozen=True)
class Forcing:
    """A day's fields on the fine grid, (H, W) float32 each."""

    temperature: Tensor  # °C, 2 m
    vapour: Tensor  # Pa
    relative: Tensor  # 0 … 1
    humidity: Tensor  # g/kg, specific
    pressure: Tensor  # hPa
    precipitation: Tensor  # mm/day
    shortwave: Tensor  # W/m², on the ground
    longwave: Tensor  # W/m²
    wind: Tensor  # m/s
    eastward: Tensor  # direction that the wind blows to, unit vector
    northward: Tensor

    def sources(self) -> dict[str, Tensor]:
        """Return the seven forcings by the names of their sources."""
        return {
            "longwave": self.longwave,
            "shortwave": self.shortwave,
            "precipitation": self.precipitation,
            "pressure": self.pressure,
            "humidity": self.humidity,
            "temperature": self.temperature,
            "wind": self.wind,
        }


class MicroMet:
    """Brings large-scale weather down to a landscape.

    Args:
        parameters: of the run.
        surface: the landscape.
    """

    def __init__(self, parameters: Parameters, surface: Surface) -> None:
        self.parameters, self.surface = parameters, surface
        k = parameters.grid.factor
        self._rows = _linear(parameters.shape[0], k)
        self._columns = _linear(parameters.shape[1], k).T.contiguous()
        slope = torch.hypot(surface.slope_x, surface.slope_y)
        self._steep = max(float(np.quantile(slope.numpy(), 0.99)), 1e-9)

    def fine(self, field: np.ndarray) -> Tensor:
        """Interpolate a large-scale field, with its margin, linearly to the fine grid."""
        return self._rows @ torch.from_numpy(field.astype(np.float32)) @ self._columns

    def downscale(self, day: Day) -> Forcing:
        """Return a day's weather on the fine grid.

        Lapse rates of air and dew point, eqs. 1–8; precipitation, eq. 33, times the lift of the air
        on smooth windward slopes (the upslope model: Smith 1979, Adv. Geophys. 21); wind, eqs.
        11–16; short wave, eqs. 17–26; long wave, eqs. 27–31, and from the slopes around.
        """
        section, s = self.parameters.downscaling, self.surface
        z = s.height / 1000
        lapse = monthly(section.lapse, day.date)
        sea = self.fine(day.temperature)
        air = sea - lapse * z
        dew_sea = dew_point(vapour_pressure(sea) * self.fine(day.humidity))
        dew = dew_sea - monthly(section.vapour, day.date) * MAGNUS[2] / MAGNUS[1] * z
        vapour = vapour_pressure(torch.minimum(dew, air))
        relative = (vapour / vapour_pressure(air)).clamp(0.05, 1.0)
        vapour = relative * vapour_pressure(air)
        middle = FREEZING + sea - 0.5 * lapse * z
        pressure = self.fine(day.pressure) * torch.exp(-9.81 * s.height / (287.05 * middle))
        humidity = 622 * (vapour / 100) / (pressure - 0.378 * vapour / 100)
        u, v = self.fine(day.eastward), self.fine(day.northward)
        speed = torch.hypot(u, v).clamp_min(0.1)
        u, v = u / speed, v / speed
        # Eqs. 11–16; the air's direction meets the slope: positive where the ground rises with it.
        windward = ((s.slope_x * u + s.slope_y * v) * (0.5 / self._steep)).clamp(-0.5, 0.5)
        wind = speed * (1 + section.wind_slope * windward + section.wind_curvature * s.curvature)
        lift = ((s.lift_x * u + s.lift_y * v) * speed * section.windward).clamp(-0.5, 0.8)
        chi = monthly(section.adjustment, day.date) * ((s.height - s.smooth) / 1000).clamp(-1.5, 1.5)
        large = self.fine(day.precipitation)
        wet = large * (1 + self.parameters.weather.wet_elevation * s.smooth / 1000)
        rain = wet * (1 + chi) / (1 - chi) * (1 + lift)
        cloud = self.fine(day.cloud)
        return Forcing(
            temperature=air,
            vapour=vapour,
            relative=relative,
            humidity=humidity,
            pressure=pressure,
            precipitation=rain,
            shortwave=self.shortwave(day.date, cloud),
            longwave=self.longwave(air, vapour, cloud),
            wind=wind,
            eastward=u,
            northward=v,
        )

    def shortwave(self, date: dt.date, cloud: Tensor) -> Tensor:
        """Return the sun on the ground: the direct beam through gaps of the cloud, and diffuse light."""
        place = (date.timetuple().tm_yday - 1) / 365.25 * SEASONS
        first, share = int(place) % SEASONS, place - int(place)
        after = (first + 1) % SEASONS
        s = self.surface
        direct = torch.lerp(s.direct[first], s.direct[after], share)
        diffuse = (1 - share) * float(s.diffuse[first]) + share * float(s.diffuse[after])
        return (1 - cloud) * direct + diffuse * cloud * s.sky

    def longwave(self, air: Tensor, vapour: Tensor, cloud: Tensor) -> Tensor:
        """Return the long-wave radiation from sky and slopes around (Iziomon et al. 2003, by elevation)."""
        share = ((self.surface.height - 200) / 2800).clamp(0, 1)
        x, y, z = 0.35 + 0.16 * share, 0.10 + 0.03 * share, 0.224 + 0.876 * share
        kelvin = air + FREEZING
        emissivity = 1.083 * (1 + z * cloud**2) * (1 - x * torch.exp(-y * vapour / kelvin))
        black = BOLTZMANN * kelvin**4
        sky = self.surface.sky
        return sky * emissivity.clamp(max=1.0) * black + (1 - sky) * black


def monthly(values: tuple[float, ...], date: dt.date) -> float:
    """Return a value given for the middle of each month, interpolated linearly to a date."""
    place = date.month - 1 + (date.day - 15) / 30.4
    first = int(np.floor(place))
    share = place - first
    return (1 - share) * values[first % 12] + share * values[(first + 1) % 12]


def vapour_pressure(celsius: Tensor) -> Tensor:
    """Return the saturation vapour pressure over water, Pa (Liston & Elder 2006, eq. 5)."""
    a, b, c = MAGNUS
    return a * torch.exp(b * celsius / (c + celsius))


def dew_point(vapour: Tensor) -> Tensor:
    """Return the temperature, °C, at which this vapour pressure, Pa, is that of saturation."""
    a, b, c = MAGNUS
    ratio = torch.log(vapour / a)
    return c * ratio / (b - ratio)


def wet_bulb(celsius: Tensor, relative: Tensor) -> Tensor:
    """Return the wet-bulb temperature, °C (Stull 2011, J. Appl. Meteorol. Climatol. 50, 2267–2269).

    Args:
        celsius: air temperature.
        relative: humidity, 0 … 1.
    """
    rh = 100 * relative
    return (
        celsius * torch.atan(0.151977 * torch.sqrt(rh + 8.313659))
        + torch.atan(celsius + rh)
        - torch.atan(rh - 1.676331)
        + 0.00391838 * rh**1.5 * torch.atan(0.023101 * rh)
        - 4.686035
    )


def _linear(cells: int, k: int) -> Tensor:
    """Return (cells·k, cells + 2·MARGIN) weights that interpolate between the centres of coarse cells."""
    place = (torch.arange(cells * k) + 0.5) / k - 0.5 + MARGIN
    first = place.floor().long()
    share = (place - first).float()
    weights = torch.zeros(cells * k, cells + 2 * MARGIN)
    rows = torch.arange(cells * k)
    weights[rows, first] = 1 - share
    weights[rows, first + 1] += share
    return weights
