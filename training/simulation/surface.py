"""What a landscape does to sun, wind and sliding snow: worked out once, before the first day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.simulation.parameters import Parameters

SOLAR = 1361.0  # W/m², solar constant
DIRECTIONS = 16  # in which horizons are looked for
STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)  # cells along each of them
SEASONS = 24  # dates of the year for which the sun's path is followed


@dataclass(frozen=True)
class Surface:
    """Static fields, (H, W) float32 each; x points east, y north."""

    height: Tensor  # metres
    smooth: Tensor  # metres, elevation as the large-scale weather sees it
    slope_x: Tensor  # rise per metre
    slope_y: Tensor
    steepness: Tensor  # radians
    curvature: Tensor  # −0.5 … 0.5, ridges positive
    lift_x: Tensor  # rise per metre of the smooth slopes that lift the air
    lift_y: Tensor
    sky: Tensor  # share of the sky that is seen
    direct: Tensor  # (SEASONS, H, W) W/m²: day's mean of clear direct sun on the ground
    diffuse: np.ndarray  # (SEASONS,) W/m²: day's mean of diffuse light under full cloud


def surface(parameters: Parameters, height: np.ndarray) -> Surface:
    """Work out the static fields of a landscape."""
    cell, section = parameters.grid.cell, parameters.downscaling
    z = torch.from_numpy(np.ascontiguousarray(height, dtype=np.float32))
    slope_x, slope_y = slopes(z, cell)
    smooth = _smooth(height, section.reference * 1000 / cell)
    lift_x, lift_y = slopes(_smooth(height, section.windward_scale * 1000 / cell), cell)
    horizons, sky = horizon(z, cell)
    steepness = torch.atan(torch.hypot(slope_x, slope_y))
    direct, diffuse = sun_table(parameters.grid.latitude, slope_x, slope_y, horizons)
    return Surface(
        z,
        smooth,
        slope_x,
        slope_y,
        steepness,
        curvature(z, cell, section.curvature_scale),
        lift_x,
        lift_y,
        sky,
        direct,
        diffuse,
    )


def slopes(z: Tensor, cell: float) -> tuple[Tensor, Tensor]:
    """Return the rise per metre eastwards and northwards, (H, W), by central differences."""
    down, east = torch.gradient(z, spacing=cell)
    return east, -down


def shifted(z: Tensor, rows: int, columns: int) -> Tensor:
    """Return z as seen some rows below and columns to the right; beyond the edge, the edge goes on."""
    down = (torch.arange(z.shape[0]) + rows).clamp(0, z.shape[0] - 1)
    right = (torch.arange(z.shape[1]) + columns).clamp(0, z.shape[1] - 1)
    return z[down][:, right]


def curvature(z: Tensor, cell: float, scale: float) -> Tensor:
    """Return the curvature of Liston & Elder 2006, eq. 13, scaled to ±0.5 at its 99th percentile.

    Height above the mean of opposite points `scale` metres away, in four directions.
    """
    step = max(1, round(scale / cell))
    total = torch.zeros_like(z)
    for rows, columns in ((0, 1), (1, 0), (1, 1), (1, -1)):
        distance = step * cell * (2**0.5 if rows and columns else 1.0)
        both = shifted(z, rows * step, columns * step) + shifted(z, -rows * step, -columns * step)
        total += (z - 0.5 * both) / (2 * distance)
    total /= 4
    return (0.5 * total / _large(total)).clamp(-0.5, 0.5)


def horizon(z: Tensor, cell: float) -> tuple[Tensor, Tensor]:
    """Return the sine of the horizon's angle in DIRECTIONS from north clockwise, and the sky view.

    Sky view after Dozier & Frew 1990, IEEE Trans. Geosci. Remote Sens. 28(5), for level ground: the
    mean over directions of cos² of the horizon's angle.
    """
    angles = []
    for index in range(DIRECTIONS):
        azimuth = 2 * np.pi * index / DIRECTIONS
        highest = torch.zeros_like(z)
        for step in STEPS:
            rows, columns = round(-np.cos(azimuth) * step), round(np.sin(azimuth) * step)
            distance = cell * np.hypot(rows, columns)
            highest = torch.maximum(highest, (shifted(z, rows, columns) - z) / distance)
        angles.append(highest)
    tangent = torch.stack(angles)
    sine = tangent / torch.sqrt(1 + tangent**2)
    return sine, (1 - sine**2).mean(0)


def declination(day_of_year: float) -> float:
    """Return the sun's declination in radians (Liston & Elder 2006, eq. 24)."""
    return np.deg2rad(23.45) * np.cos(2 * np.pi * (day_of_year - 173) / 365.25)


def season_day(index: int) -> float:
    """Return the day of year of one of the SEASONS."""
    return 1 + 365.25 * index / SEASONS


def sun_table(
    latitude: float, slope_x: Tensor, slope_y: Tensor, horizons: Tensor
) -> tuple[Tensor, np.ndarray]:
    """Return daily means over the SEASONS of direct sun, (SEASONS, H, W), and diffuse light, W/m².

    Liston & Elder 2006, eqs. 17–23: transmissivity 0.6 + 0.2·cos Z for the direct beam of a clear
    sky and 0.3 + 0.1·cos Z for diffuse light under cloud; the beam strikes the slope at its own
    angle, and nothing while the horizon hides the sun.

    Args:
        latitude: degrees.
        slope_x, slope_y: (H, W).
        horizons: (DIRECTIONS, H, W), of `horizon`.
    """
    phi, hours = np.deg2rad(latitude), np.arange(24) + 0.5
    length = torch.sqrt(1 + slope_x**2 + slope_y**2)
    direct, diffuse = torch.zeros(SEASONS, *slope_x.shape), np.zeros(SEASONS)
    for season in range(SEASONS):
        delta = declination(season_day(season))
        for hour in hours:
            turn = np.deg2rad(15 * (hour - 12))
            up = np.sin(phi) * np.sin(delta) + np.cos(phi) * np.cos(delta) * np.cos(turn)
            if up <= 0.01:
                continue
            east = -np.cos(delta) * np.sin(turn)
            north = np.cos(phi) * np.sin(delta) - np.sin(phi) * np.cos(delta) * np.cos(turn)
            diffuse[season] += SOLAR * (0.3 + 0.1 * up) * up / len(hours)
            beam = SOLAR * (0.6 + 0.2 * up) / len(hours)
            strike = ((up - east * slope_x - north * slope_y) / length).clamp_min(0)
            azimuth = np.arctan2(east, north) % (2 * np.pi)
            seen = horizons[round(azimuth / (2 * np.pi) * DIRECTIONS) % DIRECTIONS] < up
            direct[season] += beam * strike * seen
    return direct, diffuse


def _smooth(height: np.ndarray, cells: float) -> Tensor:
    """Return the elevation after a Gaussian filter of this width (its spread is half of it)."""
    from scipy.ndimage import gaussian_filter

    return torch.from_numpy(gaussian_filter(height.astype(np.float32), cells / 2, mode="nearest"))


def _large(field: Tensor) -> float:
    """Return the 99th percentile of the magnitude; never zero."""
    return max(float(np.quantile(field.abs().numpy(), 0.99)), 1e-12)
