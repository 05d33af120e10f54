"""Area-to-point kriging of the coarse field itself, without covariates."""

from __future__ import annotations

import numpy as np

from training.withheld.peers.area_to_point import area_to_point
from training.withheld.peers.atprk import kriging_settings
from training.withheld.peers.peer import Peer, Setting
from training.withheld.peers.trend import scene
from training.withheld.problem import Problem


def _make(problem: Problem, setting: Setting) -> np.ndarray:
    fields = []
    for time in range(len(problem.dates)):
        date = scene(problem, time, setting)
        mean = float(date.values[date.known].mean())
        fields.append(
            date.in_units(mean + area_to_point(date.values - mean, problem.factor, setting["model"]))
        )
    return np.stack(fields)


PEER = Peer(
    "Area-to-point kriging",
    "Kyriakidis, P. C. (2004), A geostatistical framework for area-to-point spatial interpolation, Geogr. "
    "Anal. 36, 259–289",
    kriging_settings,
    _make,
    covariates=False,
)
