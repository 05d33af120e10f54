"""Coarse forcings with the errors of a reanalysis: a lasting bias and daily noise, smooth in space."""

from __future__ import annotations

import numpy as np

from training.simulation.noise import Process
from training.simulation.parameters import Parameters

# (typical spread of the bias, of the daily noise, whether they are factors)
ERRORS: dict[str, tuple[float, float, bool]] = {
    "longwave": (0.02, 0.03, True),
    "shortwave": (0.04, 0.10, True),
    "precipitation": (0.15, 0.35, True),
    "pressure": (1.0, 0.5, False),
    "humidity": (0.04, 0.07, True),
    "temperature": (0.8, 0.9, False),
    "wind": (0.12, 0.15, True),
}
LENGTH, MEMORY = 200.0, 0.5  # km, and correlation from day to day


class Reanalysis:
    """Adds errors to forcings on the coarse grid; without a section it changes nothing."""

    def __init__(self, parameters: Parameters) -> None:
        self.section, self.shape = parameters.reanalysis, parameters.shape
        self._bias: dict[str, np.ndarray] = {}
        self._noise: dict[str, Process] = {}
        if self.section is None:
            return
        size = parameters.grid.cell * parameters.grid.factor / 1000
        y, x = (g.ravel() * size for g in np.mgrid[0 : self.shape[0], 0 : self.shape[1]])
        for index, name in enumerate(ERRORS):
            rng = np.random.default_rng([self.section.seed, index])
            self._noise[name] = Process(rng, x, y, MEMORY, LENGTH)
            self._bias[name] = self._noise[name].value.reshape(self.shape).copy()

    def disturb(self, name: str, field: np.ndarray) -> np.ndarray:
        """Return a day's coarse field, (h, w), with its errors; call it once a day for each name."""
        if self.section is None:
            return field
        bias, noise, factor = ERRORS[name]
        error = self.section.bias * bias * self._bias[name]
        error = error + self.section.noise * noise * self._noise[name].step().reshape(self.shape)
        return (field * np.exp(error) if factor else field + error).astype(np.float32)
