"""Covariates as numbers that a regression can take: standardised, angles and classes taken apart."""

from __future__ import annotations

import numpy as np

from engine.source_kinds import KINDS
from training.withheld.problem import Covariate, Problem


def channels(problem: Problem, time: int) -> np.ndarray:
    """Return the covariates of a date as channels, (C, h·k, w·k) float32, each of mean 0 and deviation 1.

    Angles become sine and cosine, classes a channel each but the first. NaN stays NaN.
    """
    rows, columns = (edge * problem.factor for edge in problem.coarse.shape[1:])
    parts = [np.empty((0, rows, columns), np.float32)]
    for covariate in problem.covariates:
        encoded = encoded_values(covariate, time if covariate.dynamic else 0)
        deviation = np.nanstd(encoded, (1, 2), keepdims=True)
        mean = np.nanmean(encoded, (1, 2), keepdims=True)
        parts.append((encoded - mean) / np.where(deviation > 0, deviation, 1))
    return np.concatenate(parts).astype(np.float32)


def encoded_values(covariate: Covariate, time: int) -> np.ndarray:
    """Return a covariate of a date as numbers that may be averaged, (C, h·k, w·k)."""
    values, kind = covariate.values[time], KINDS[covariate.kind]
    if not kind.wants_classes:
        return kind.encode(values[None], ())
    classes = np.unique(covariate.values[np.isfinite(covariate.values)]).astype(int)
    return kind.encode(values[None], classes.tolist())[1:]
