"""Area-to-point regression kriging: a linear trend on all covariates, and its residual kriged."""

from __future__ import annotations

import numpy as np

from training.withheld.peers.area_to_point import area_to_point
from training.withheld.peers.peer import Peer, Setting
from training.withheld.peers.trend import SPACE, linear_trend, scene, spaces
from training.withheld.problem import Problem

MODELS = ("exponential", "spherical")


def kriging_settings(problem: Problem) -> list[Setting]:
    """Return the models of the variogram, in each space that the quantity allows."""
    return [{"model": model, SPACE: space} for model in MODELS for space in spaces(problem)]


def _make(problem: Problem, setting: Setting) -> np.ndarray:
    fields = []
    for time in range(len(problem.dates)):
        date = scene(problem, time, setting)
        trend = linear_trend(date)
        residual = date.values - date.means(trend)
        fields.append(date.in_units(trend + area_to_point(residual, problem.factor, setting["model"])))
    return np.stack(fields)


PEER = Peer(
    "Area-to-point regression kriging",
    "Kyriakidis, P. C. (2004), Geogr. Anal. 36, 259–289; Wang, Q., Shi, W., Atkinson, P. M. & Zhao, Y. "
    "(2015), Downscaling MODIS images with area-to-point regression kriging, Remote Sens. Environ. 166, "
    "191–204",
    kriging_settings,
    _make,
)
