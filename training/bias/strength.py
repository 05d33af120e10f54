"""How strongly a fine field should be made to conserve a coarse product that errs, by dates held out.

With strength s a field is f + s·(c − f), f as it was made and c conserved. Of all s the one with the least
square error against the truth t is Σ(t − f)(c − f) / Σ(c − f)². It is 1 where the coarse value is the truth's
mean, and falls as what is learned of the coarse field around a cell says more than the cell's own value.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.specs import TargetSpec
from training.bias.fit import paired
from training.data.archive import Archive
from training.data.split import Split
from training.schema.config import Config

FOLDS = 5  # blocks of dates that follow each other
RIDGE = 0.01  # of the number of dates; the coarse values are standardised
NEARLY = 0.02  # a strength so near to an end is that end

Triple = tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]]


def best_strength(fields: Iterable[Triple]) -> float:
    """Return the strength with the least square error, 0 to 1; 1 where conservation changes nothing.

    Args:
        fields: as made, conserved, and the truth, of the same shape each; cells that lack one do not count.
    """
    product = square = 0.0
    for free, conserved, truth in fields:
        change, gap = conserved - free, truth - free
        known = np.isfinite(change) & np.isfinite(gap)
        product += float((change[known] * gap[known]).sum(dtype=np.float64))
        square += float((change[known] ** 2).sum(dtype=np.float64))
    best = min(max(product / square, 0.0), 1.0) if square > 0 else 1.0
    if best < NEARLY or best > 1 - NEARLY:
        return float(round(best))
    return round(best, 3)


def with_strength(config: Config, archive: Archive, split: Split, target: TargetSpec) -> TargetSpec:
    """Return the target with the strength that training begins with, measured where it is left open.

    Raises:
        InputError: as `strength_to_train_with`.
    """
    if config.target.strength != "auto":
        return target
    return replace(target, strength=strength_to_train_with(archive, split))


def strength_to_train_with(archive: Archive, split: Split) -> float:
    """Return the strength by what a regression on the coarse cells around says on blocks of dates held out.

    Each coarse cell's mean of the truth is regressed, with a ridge, on the 3 × 3 coarse values around it:
    what a network can learn of the coarse field at the least.

    Raises:
        InputError: fewer than two training dates have a truth.
    """
    truth, coarse = paired(archive, split.train)
    blocks = [block for block in np.array_split(np.arange(len(truth)), FOLDS) if block.size]
    if len(blocks) < 2 or not np.isfinite(truth).any():
        raise InputError(
            "target.strength: auto needs training dates with truth to be held out: give a number."
        )
    around = _around(np.asarray(archive.coarse[list(split.train.times)]), archive.wrap)

    def held_out() -> Iterable[Triple]:
        for row, column in np.argwhere(np.isfinite(truth).sum(0) >= 4 * FOLDS):
            inputs, wanted = around[:, :, row, column], truth[:, row, column]
            known = np.isfinite(wanted)
            for block in blocks:
                others = known.copy()
                others[block] = False
                inside = block[known[block]]
                if others.sum() < 2 * FOLDS or not inside.size:
                    continue
                yield _predicted(inputs, wanted, others, inside), coarse[inside, row, column], wanted[inside]

    return best_strength(held_out())


def _around(fields: NDArray[np.floating], wrap: bool) -> NDArray[np.float64]:
    """Return (T, 9, h, w): the values around each cell, NaN beyond the grid."""
    _, height, width = fields.shape
    whole = np.pad(fields.astype(np.float64), ((0, 0), (1, 1), (1, 1)), constant_values=np.nan)
    if wrap:
        whole[..., 0], whole[..., -1] = whole[..., -2].copy(), whole[..., 1].copy()
    return np.stack([whole[:, r : r + height, c : c + width] for r in range(3) for c in range(3)], 1)


def _predicted(
    inputs: NDArray[np.float64], wanted: NDArray[np.float64], train: NDArray[np.bool_], test: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the ridge regression of a fit to some dates at others; a value that is missing is its mean."""
    there = np.isfinite(inputs[train]).any(0)
    chosen = inputs[:, there]
    mean, spread = np.nanmean(chosen[train], 0), np.nanstd(chosen[train], 0)
    scaled = np.nan_to_num((chosen - mean) / np.where(spread > 0, spread, 1.0))
    known, level = scaled[train], float(wanted[train].mean())
    normal = known.T @ known + RIDGE * len(known) * np.eye(known.shape[1])
    weights = np.linalg.solve(normal, known.T @ (wanted[train] - level))
    return scaled[test] @ weights + level
