"""Area-to-point kriging of coarse numbers, with a point variogram deconvolved from that of the areas.

Kyriakidis, P. C. (2004), A geostatistical framework for area-to-point spatial interpolation, Geogr. Anal.
36, 259–289: ordinary kriging whose data are means over coarse cells and whose results are points, with
covariances between areas and points that are means over pairs of points. The point variogram is the one
of a family whose regularisation fits the areas' own variogram best (deconvolution: Goovaerts, P. 2008,
Math. Geosci. 40, 101–128), looked for range by range. Lengths are in coarse cells.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from engine.fields.upsample import fill

RANGES = (0.3, 0.6, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0, 14.0, 20.0)
AROUND = 2  # coarse cells on each side whose means are used
POINTS = 6  # along a coarse cell's edge, for means over it
LAGS = 10  # of the areas' variogram, at most
NUGGET = 1e-6  # keeps the system solvable


def area_to_point(values: np.ndarray, factor: int, model: str) -> np.ndarray:
    """Return the kriged field, (h·k, w·k), of coarse numbers, (h, w), NaN where unknown.

    Args:
        values: means over coarse cells; what is unknown is filled from around.
        factor: k.
        model: exponential or spherical.
    """
    filled = fill(torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))[None], 2 * AROUND)[0]
    weights = _weights(fitted_range(values, model), factor, model)
    padded = np.pad(filled.numpy(), AROUND, mode="edge")
    rows, columns = values.shape
    width = 2 * AROUND + 1
    around = [padded[i : i + rows, j : j + columns] for i in range(width) for j in range(width)]
    made = np.tensordot(weights, np.stack(around), 1)  # (k², h, w)
    fine: np.ndarray = made.reshape(factor, factor, rows, columns).transpose(2, 0, 3, 1)
    return fine.reshape(rows * factor, columns * factor)


def fitted_range(values: np.ndarray, model: str) -> float:
    """Return the range of the point model whose regularised variogram is nearest to that of the areas."""
    lags, own, pairs = _variogram(values)
    if not len(lags) or not own.any():
        return RANGES[0]
    misfits = []
    for length in RANGES:
        regular = _regularised(length, model)[lags - 1]
        weight = pairs / lags**2
        sill = (weight * own * regular).sum() / (weight * regular**2).sum()
        misfits.append((weight * (own - sill * regular) ** 2).sum())
    return RANGES[int(np.argmin(misfits))]


def _variogram(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return lags, half mean squared differences and numbers of pairs along rows and columns."""
    rows = []
    for lag in range(1, min(LAGS, min(values.shape) // 2) + 1):
        differences = [values[lag:] - values[:-lag], values[:, lag:] - values[:, :-lag]]
        squares = np.concatenate([d[np.isfinite(d)] for d in differences]).astype(np.float64) ** 2
        if len(squares):
            rows.append((lag, 0.5 * squares.mean(), len(squares)))
    lags, own, pairs = (np.array(column) for column in zip(*rows)) if rows else (np.empty(0, int),) * 3
    return lags, own, pairs


def _covariance(distance: np.ndarray, length: float, model: str) -> np.ndarray:
    """Return the covariance of points with sill 1; at `length` it is a twentieth, or 0."""
    if model == "exponential":
        result: np.ndarray = np.exp(-3 * distance / length)
        return result
    share = np.minimum(distance / length, 1)
    return 1 - 1.5 * share + 0.5 * share**3


@lru_cache(maxsize=64)
def _regularised(length: float, model: str) -> np.ndarray:
    """Return the variogram of coarse cells at lags 1 … `LAGS` along an axis."""
    cell = _points(POINTS)
    own = _mean_covariance(cell, cell, length, model)
    apart = [_mean_covariance(cell, cell + np.array((0, lag)), length, model) for lag in range(1, LAGS + 1)]
    return own - np.array(apart)


@lru_cache(maxsize=64)
def _weights(length: float, factor: int, model: str) -> np.ndarray:
    """Return the weights, (k², (2·AROUND + 1)²), of the coarse cells around for each fine cell."""
    count = min(POINTS, factor)
    steps = np.arange(-AROUND, AROUND + 1)
    centres = np.stack(np.meshgrid(steps, steps, indexing="ij"), -1).reshape(-1, 1, 2)
    areas = centres + _points(count)  # (N, m², 2)
    number = len(areas)
    flat = areas.reshape(-1, 2)
    between = _covariance(_distances(flat, flat), length, model)
    between = between.reshape(number, count**2, number, count**2).mean((1, 3))
    to_points = _covariance(_distances(_points(factor), flat), length, model)
    to_points = to_points.reshape(-1, number, count**2).mean(2)
    system = np.ones((number + 1, number + 1))
    system[:number, :number] = between + NUGGET * np.eye(number)
    system[-1, -1] = 0
    right = np.concatenate([to_points, np.ones((len(to_points), 1))], 1)
    solved: np.ndarray = np.linalg.solve(system, right.T)[:number].T
    return solved


def _points(count: int) -> np.ndarray:
    """Return the centres, (count², 2), of the parts of a cell around the origin, row by row."""
    steps = (np.arange(count) + 0.5) / count - 0.5
    return np.stack(np.meshgrid(steps, steps, indexing="ij"), -1).reshape(-1, 2)


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.hypot(a[:, None, 0] - b[None, :, 0], a[:, None, 1] - b[None, :, 1])


def _mean_covariance(a: np.ndarray, b: np.ndarray, length: float, model: str) -> float:
    return float(_covariance(_distances(a, b), length, model).mean())
