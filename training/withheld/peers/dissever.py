"""Iterated regression of the fine field on fine covariates, its coarse means put right each time."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from training.withheld.peers.peer import Peer, Setting
from training.withheld.peers.trend import SPACE, Scene, linear_coefficients, scene, spaces
from training.withheld.problem import Problem

ROUNDS = 8
SETTLED = 0.01  # least improvement of the coarse means, as a share of their error, to go on
SAMPLE = 6000  # fine cells that a regression learns from
TREES, LEAF = 20, 5
REGRESSIONS = ("linear", "forest")


def _settings(problem: Problem) -> list[Setting]:
    return [
        {"regression": regression, "coordinates": coordinates, SPACE: space}
        for regression in REGRESSIONS
        for coordinates in (False, True)
        for space in spaces(problem)
    ]


def _make(problem: Problem, setting: Setting) -> np.ndarray:
    return np.stack([_one(scene(problem, time, setting), setting) for time in range(len(problem.dates))])


def _one(date: Scene, setting: Setting) -> np.ndarray:
    """Return the regression of the round whose coarse means are nearest, with its residual."""
    terms = date.fine
    if setting["coordinates"]:
        terms = np.concatenate([terms, _coordinates(terms.shape[1:])])
    field = date.spread(date.values)
    k = date.problem.factor
    inside = np.flatnonzero(np.repeat(np.repeat(date.known, k, 0), k, 1))
    drawn = np.random.default_rng(0).choice(inside, min(SAMPLE, len(inside)), replace=False)
    best, error = field, np.inf
    for _ in range(ROUNDS):
        trend = _regression(setting["regression"], terms, field, drawn)
        short = date.values - date.means(trend)
        reached = float(np.sqrt(np.nanmean(short**2)))
        if reached < error:
            best, before, error = trend, error, reached
            if before - error < SETTLED * before:
                break
        else:
            break
        field = trend + np.repeat(np.repeat(np.nan_to_num(short), k, 0), k, 1)
    return date.with_residual(best)


def _regression(kind: str, terms: np.ndarray, field: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return the fitted field, (h·k, w·k)."""
    x, y = terms.reshape(len(terms), -1), field.ravel()
    if kind == "linear":
        one = np.ones((1, x.shape[1]), x.dtype)
        design = np.concatenate([one, x])
        return (linear_coefficients(design[:, drawn], y[drawn]) @ design).reshape(field.shape)
    forest = RandomForestRegressor(TREES, min_samples_leaf=LEAF, random_state=0, n_jobs=1)
    forest.fit(x[:, drawn].T, y[drawn])
    fitted: np.ndarray = forest.predict(x.T).reshape(field.shape)
    return fitted


def _coordinates(shape: tuple[int, ...]) -> np.ndarray:
    """Return rows and columns, (2, H, W), from −1 to 1."""
    rows, columns = (np.linspace(-1, 1, n, dtype=np.float32) for n in shape)
    return np.stack(np.meshgrid(rows, columns, indexing="ij"))


PEER = Peer(
    "Dissever",
    "Malone, B. P. et al. (2012), A general method for downscaling earth resource information, Comput. "
    "Geosci. 41, 119–125",
    _settings,
    _make,
)
