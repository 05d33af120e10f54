"""Forest and NDVI that follow elevation, moisture, aspect and steepness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from training.simulation.noise import band_noise
from training.simulation.parameters import Parameters
from training.simulation.terrain import by_region


@dataclass(frozen=True)
class Vegetation:
    """(H, W) float32 each."""

    forest: np.ndarray  # share of the ground
    ndvi: np.ndarray


def vegetation(parameters: Parameters, height: np.ndarray) -> Vegetation:
    """Return forest and NDVI.

    The tree line is a logistic curve over elevation, higher on slopes that face south and in warm
    regions; there is less forest on steep slopes and on dry ground, and flat low valley floors are
    farmed.
    """
    section, cell = parameters.vegetation, parameters.grid.cell
    rng = np.random.default_rng([parameters.seed, 1])
    down, east = np.gradient(height.astype(float), cell)
    steep = np.hypot(down, east)
    south = -down / np.maximum(steep, 1e-6) * np.clip(steep / 0.3, 0, 1)  # 1: ground falls southwards
    hollow = gaussian_filter(height.astype(float), 4000 / cell, mode="nearest") - height
    moist = np.clip(by_region(parameters, "wetness") - 1, -0.5, 0.5) + np.clip(hollow / 800, -0.6, 0.6)
    patchy = band_noise(rng, height.shape, cell / 1000, section.patch)
    line = section.treeline + section.treeline_aspect * south + 120 * by_region(parameters, "warmth")
    trees = 1 / (1 + np.exp((height + 60 * patchy - line) / section.treeline_spread))
    bare = 1 / (1 + np.exp((steep - 0.75) / 0.08))
    floor = (
        np.clip(hollow / 150, 0, 1) * np.clip(1 - steep / 0.15, 0, 1) * np.clip((1300 - height) / 300, 0, 1)
    )
    share = section.cover * (1 + 0.5 * moist + 0.25 * patchy)
    forest = np.clip(share * trees * bare * (1 - 0.8 * floor), 0, 0.95)
    meadow = 1 / (1 + np.exp((height - (line + 550)) / 160)) * bare
    ground = 0.06 + (0.42 + 0.12 * np.clip(moist, -1, 1) + 0.12 * floor) * meadow
    ndvi = forest * 0.82 + (1 - forest) * ground + section.noise * rng.standard_normal(height.shape)
    return Vegetation(forest.astype(np.float32), np.clip(ndvi, -0.05, 0.92).astype(np.float32))
