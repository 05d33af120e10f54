"""A peer at its best setting, which is found one level up: where the coarse field itself is the truth."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from engine.fields.conservation import aggregate, conserve
from training.withheld.encoding import encoded_values
from training.withheld.engine_methods import MadeField
from training.withheld.peers.peer import Peer, Setting
from training.withheld.problem import Covariate, Problem

FEWEST = 6  # coarse cells along an edge that the level above must have
MOST_FACTOR = 4  # from the level above to the coarse field


def run_peer(peer: Peer, problem: Problem) -> MadeField:
    """Choose a peer's setting without the truth, and run it, exactly conserved."""
    started = time.monotonic()
    setting = best_setting(peer, problem)
    values = conserved(peer, problem, setting)
    told = ", ".join(f"{key} {value}" for key, value in setting.items())
    return MadeField(values, time.monotonic() - started, chosen=told)


def conserved(peer: Peer, problem: Problem, setting: Setting) -> np.ndarray:
    """Return a peer's field, (T, h·k, w·k) float32, as the engine conserves every method's."""
    made = torch.from_numpy(np.ascontiguousarray(peer.make(problem, setting), dtype=np.float32))
    coarse = torch.from_numpy(problem.coarse)
    return conserve(made, coarse, problem.factor, problem.target).numpy()


def best_setting(peer: Peer, problem: Problem) -> Setting:
    """Return the setting with the smallest error one level up; the first where there is no level above."""
    settings = peer.settings(problem)
    upper = one_level_up(problem)
    if len(settings) == 1 or upper is None:
        return settings[0]
    above, truth = upper
    errors = [_error(conserved(peer, above, setting), truth) for setting in settings]
    return settings[int(np.argmin(errors))]


def one_level_up(problem: Problem) -> tuple[Problem, np.ndarray] | None:
    """Return the problem whose fine field is this one's coarse field, and that field.

    Returns:
        None where the coarse field is too small.
    """
    rows, columns = problem.coarse.shape[1:]
    factor = next((f for f in _factors(problem.factor) if min(rows, columns) // f >= FEWEST), None)
    if factor is None:
        factor = 2 if min(rows, columns) >= 6 else None
    if factor is None:
        return None
    height, width = (edge // factor * factor for edge in (rows, columns))
    truth = problem.coarse[:, :height, :width]
    k = problem.factor
    covariates = tuple(part for c in problem.covariates for part in _coarser(c, k, height, width))
    coarse = aggregate(torch.from_numpy(np.ascontiguousarray(truth)), factor).numpy()
    transform = problem.transform * problem.transform.scale(factor)
    return replace(problem, factor=factor, coarse=coarse, covariates=covariates, transform=transform), truth


def _factors(factor: int) -> Sequence[int]:
    return [f for f in (MOST_FACTOR, 3, 2) if f <= factor]


def _coarser(covariate: Covariate, factor: int, height: int, width: int) -> list[Covariate]:
    """Return the coarse means of a covariate, taken apart first where it is an angle or a class."""
    encoded = np.stack([encoded_values(covariate, time) for time in range(len(covariate.values))])
    fine = np.ascontiguousarray(encoded[..., : height * factor, : width * factor], dtype=np.float32)
    means = aggregate(torch.from_numpy(fine), factor).numpy()
    return [
        Covariate(f"{covariate.name}_{channel}", covariate.units, means[:, channel])
        for channel in range(means.shape[1])
    ]


def _error(values: np.ndarray, truth: np.ndarray) -> float:
    error = float(np.nanmean((values - truth) ** 2))
    return error if np.isfinite(error) else np.inf
