"""TsHARP: one curve of one covariate for the whole scene, and its smooth residual."""

from __future__ import annotations

import numpy as np

from training.withheld.encoding import channels
from training.withheld.peers.peer import Peer, Setting
from training.withheld.peers.trend import SPACE, linear_coefficients, scene, spaces
from training.withheld.problem import Problem

DEGREES = (1, 2)


def _settings(problem: Problem) -> list[Setting]:
    count = len(channels(problem, 0))
    return [
        {"covariate": number, "degree": degree, SPACE: space}
        for number in range(count)
        for degree in DEGREES
        for space in spaces(problem)
    ]


def _make(problem: Problem, setting: Setting) -> np.ndarray:
    return np.stack([_one(problem, time, setting) for time in range(len(problem.dates))])


def _one(problem: Problem, time: int, setting: Setting) -> np.ndarray:
    date, number = scene(problem, time, setting), setting["covariate"]
    powers = range(setting["degree"] + 1)
    known = date.known
    terms = np.stack([date.coarse[number][known] ** power for power in powers])
    fitted = linear_coefficients(terms, date.values[known])
    trend = sum(c * date.fine[number] ** power for c, power in zip(fitted, powers))
    return date.with_residual(np.asarray(trend))


PEER = Peer(
    "TsHARP",
    "Agam, N. et al. (2007), A vegetation index based technique for spatial sharpening of thermal imagery, "
    "Remote Sens. Environ. 107, 545–558",
    _settings,
    _make,
)
