"""How much could be had: the detail regressed on the covariates with the truth itself at hand."""

from __future__ import annotations

import numpy as np
import torch

from engine.fields.conservation import aggregate, conserve
from engine.fields.upsample import upsample
from training.withheld.encoding import channels
from training.withheld.problem import HiddenCase, Problem

RIDGE = 1e-4  # of the terms' variance


def oracle_fields(case: HiddenCase, reference: np.ndarray) -> np.ndarray:
    """Return the reference and the detail that a linear fit on the truth adds to it, conserved.

    Terms are the covariates above their own smoothly interpolated coarse means, and the same times the
    reference; each date is fitted by itself.

    Args:
        case: whose truth is looked at.
        reference: (T, h·k, w·k), to which the detail is added.

    Returns:
        (T, h·k, w·k) float32.
    """
    problem = case.problem
    fields = []
    for time, (truth, base) in enumerate(zip(case.truth, reference)):
        terms = details(problem, time)
        size = np.nanstd(base) or 1.0
        design = np.concatenate([terms, terms * (base - np.nanmean(base)) / size])
        known = np.isfinite(truth) & np.isfinite(base) & np.isfinite(design).all(0)
        x, y = design[:, known].astype(np.float64), (truth - base)[known].astype(np.float64)
        gram = x @ x.T
        gram[np.diag_indices_from(gram)] += RIDGE * np.diag(gram).mean() + 1e-12
        fitted = np.tensordot(np.linalg.solve(gram, x @ y), np.nan_to_num(design), 1)
        fields.append(base + fitted)
    made = torch.from_numpy(np.stack(fields).astype(np.float32))
    return conserve(made, torch.from_numpy(problem.coarse), problem.factor, problem.target).numpy()


def details(problem: Problem, time: int) -> np.ndarray:
    """Return the covariates' channels of a date above their interpolated coarse means, (C, h·k, w·k)."""
    fine = torch.from_numpy(channels(problem, time))
    return (fine - upsample(aggregate(fine, problem.factor), problem.factor, "bicubic")).numpy()
