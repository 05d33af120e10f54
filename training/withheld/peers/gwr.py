"""Geographically weighted regression on all covariates, and its smooth residual."""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import gaussian_filter

from training.withheld.peers.peer import Peer, Setting
from training.withheld.peers.trend import RIDGE, SPACE, Scene, scene, spaces
from training.withheld.problem import Problem

BANDWIDTHS = (1.0, 1.5, 2.0, 3.0, 4.5, 7.0, 10.0, 15.0, 25.0)  # coarse cells, of a Gaussian kernel
BY_AICC = "by AICc"
FIXED = (2.0, 4.5, 10.0)


def _settings(problem: Problem) -> list[Setting]:
    return [{"bandwidth": width, SPACE: space} for width in (BY_AICC, *FIXED) for space in spaces(problem)]


def _make(problem: Problem, setting: Setting) -> np.ndarray:
    return np.stack([_one(scene(problem, time, setting), setting) for time in range(len(problem.dates))])


def _one(date: Scene, setting: Setting) -> np.ndarray:
    width = setting["bandwidth"]
    if width == BY_AICC:
        width = min(BANDWIDTHS, key=lambda each: _fit(date, each)[1])
    coefficients, _ = _fit(date, width)
    terms = [np.ones_like(date.fine[0]), *date.fine]
    spread = (date.spread(each, "bilinear") for each in coefficients)
    return date.with_residual(sum(c * term for c, term in zip(spread, terms)) + 0.0)


def _fit(date: Scene, width: float) -> tuple[np.ndarray, float]:
    """Return the coefficients at each coarse cell, (P, h, w), and the corrected Akaike criterion.

    The criterion is that of Hurvich, Simonoff & Tsai (1998) with the trace of the hat matrix.
    """
    known = date.known
    terms = np.concatenate([np.ones((1, *known.shape)), date.coarse]).astype(np.float64) * known
    values = np.where(known, date.values, 0).astype(np.float64)

    def weighted(field: np.ndarray) -> np.ndarray:
        """Return the sum around each cell, by the kernel; beyond the edge there is nothing."""
        return np.asarray(gaussian_filter(field, width, mode="constant"))

    count = len(terms)
    gram = np.stack([[weighted(a * b) for b in terms] for a in terms]).transpose(2, 3, 0, 1)
    right = np.stack([weighted(term * values) for term in terms]).transpose(1, 2, 0)
    size = np.trace(gram, axis1=2, axis2=3)[..., None, None] / count
    inverse = np.linalg.inv(gram + (RIDGE * size + 1e-12) * np.eye(count))
    coefficients = np.einsum("hwij,hwj->ihw", inverse, right)
    centre = np.zeros((1, 1 + 2 * math.ceil(4 * width)))
    centre[0, centre.shape[1] // 2] = 1
    own = float(gaussian_filter(centre[0], width, mode="constant").max()) ** 2
    trace = own * float(np.einsum("ihw,hwij,jhw->", terms, inverse, terms))
    squares = float((((coefficients * terms).sum(0) - values)[known] ** 2).sum())
    number = int(known.sum())
    if number - 2 - trace <= 0:
        return coefficients, math.inf
    variance = max(squares / number, 1e-30)
    return coefficients, number * math.log(variance) + number * (number + trace) / (number - 2 - trace)


PEER = Peer(
    "Geographically weighted regression",
    "Brunsdon, C., Fotheringham, A. S. & Charlton, M. E. (1996), Geographically weighted regression, "
    "Geogr. Anal. 28, 281–298",
    _settings,
    _make,
)
