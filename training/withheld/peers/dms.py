"""Data mining sharpener: trees on homogeneous cells, of the whole scene and of windows; their residual."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from training.withheld.peers.linear_leaves import LinearLeafTrees
from training.withheld.peers.peer import Peer, Setting
from training.withheld.peers.trend import SPACE, Scene, scene, spaces
from training.withheld.problem import Problem

HOMOGENEOUS = 0.8  # share of the coarse cells, those with the least variation inside, that trees learn from
LEAVES = (10, 40)  # fewest coarse cells in a leaf of the scene's trees; windows have half of it
WINDOW, OVERLAP = 16, 4  # coarse cells of a window, and by how many it looks beyond
FEWEST = 12  # coarse cells that a window's trees need
KINDS = ("linear", "constant")
EXTENTS = ("scene and windows", "scene")


def _settings(problem: Problem) -> list[Setting]:
    return [
        {"leaves": kind, "of": size, "trees of": extent, SPACE: space}
        for kind in KINDS
        for size in LEAVES
        for extent in EXTENTS
        for space in spaces(problem)
    ]


def _make(problem: Problem, setting: Setting) -> np.ndarray:
    return np.stack([_one(scene(problem, time, setting), setting) for time in range(len(problem.dates))])


def _one(date: Scene, setting: Setting) -> np.ndarray:
    linear = setting["leaves"] == KINDS[0]
    kept = date.known & _homogeneous(date)
    trend = _predicted(date, kept, setting["of"], linear, np.s_[:, :])
    if setting["trees of"] == EXTENTS[1]:
        return date.with_residual(trend)
    local = trend.copy()
    k = date.problem.factor
    for inner, outer in _windows(date.known.shape):
        chosen = np.zeros_like(kept)
        chosen[outer] = kept[outer]
        if chosen.sum() >= FEWEST:
            fine = tuple(slice(part.start * k, part.stop * k) for part in inner)
            local[fine] = _predicted(date, chosen, setting["of"] // 2, linear, fine)
    # Each counts by the inverse of its squared residual, coarse cell by coarse cell.
    small = 1e-6 * float(np.nanvar(date.values)) + 1e-12
    weight, weight_local = (
        1 / ((np.nan_to_num(date.values - date.means(each)) ** 2) + small) for each in (trend, local)
    )
    share = np.clip(date.spread(weight_local / (weight + weight_local), "bilinear"), 0, 1)
    return date.with_residual(trend + share * (local - trend))


def _predicted(
    date: Scene, cells: np.ndarray, leaf: int, linear: bool, part: tuple[slice, ...]
) -> np.ndarray:
    """Return what trees that learnt from some coarse cells say of a part of the fine grid."""
    trees = LinearLeafTrees(leaf, linear).fit(date.coarse[:, cells].T, date.values[cells])
    fine = date.fine[(slice(None), *part)]
    return trees.predict(fine.reshape(len(fine), -1).T).reshape(fine.shape[1:])


def _homogeneous(date: Scene) -> np.ndarray:
    """Return where, (h, w), the covariates vary least inside a coarse cell."""
    squares = np.stack([date.means(each**2) for each in date.fine])
    varied = np.sqrt(np.maximum(squares - date.coarse**2, 0)).mean(0)
    return varied <= np.quantile(varied[date.known], HOMOGENEOUS)


def _windows(shape: tuple[int, int]) -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """Yield the windows of a coarse grid, and each with what it looks at around it."""
    for row in range(0, shape[0], WINDOW):
        for column in range(0, shape[1], WINDOW):
            starts = (row, column)
            inner = tuple(slice(a, min(a + WINDOW, n)) for a, n in zip(starts, shape))
            outer = tuple(
                slice(max(0, part.start - OVERLAP), min(part.stop + OVERLAP, n))
                for part, n in zip(inner, shape)
            )
            yield (inner[0], inner[1]), (outer[0], outer[1])


PEER = Peer(
    "Data mining sharpener",
    "Gao, F., Kustas, W. P. & Anderson, M. C. (2012), A data mining approach for sharpening thermal "
    "satellite imagery over land, Remote Sens. 4, 3287–3319",
    _settings,
    _make,
)
