"""What regressions of one date share: fine and coarse covariates, a space to work in, residuals put back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from engine.fields.conservation import aggregate
from engine.fields.upsample import upsample
from training.withheld.encoding import channels
from training.withheld.peers.peer import Setting
from training.withheld.problem import Problem

SPACE = "space"
PLAIN, ROOT = "plain", "root"
RIDGE = 1e-6  # of the terms' mean square: for terms that say the same


@dataclass(frozen=True)
class Scene:
    """One date of a problem in the space that a regression works in.

    Attributes:
        problem: of which it is a date.
        fine: (C, h·k, w·k), the covariates, standardised; their mean where they are unknown.
        coarse: (C, h, w), their means over coarse cells.
        values: (h, w), the coarse field in the space; NaN where it is unknown.
        observed: (h, w), the coarse field itself.
        rooted: whether the space is that of square roots.
    """

    problem: Problem
    fine: np.ndarray
    coarse: np.ndarray
    values: np.ndarray
    observed: np.ndarray
    rooted: bool

    @property
    def known(self) -> np.ndarray:
        """(h, w), where there is a coarse value."""
        return np.isfinite(self.values)

    def spread(self, coarse: np.ndarray, kernel: str = "bicubic") -> np.ndarray:
        """Interpolate coarse numbers, (h, w), to fine cells; unknown ones are filled from around."""
        field = torch.from_numpy(np.ascontiguousarray(coarse, dtype=np.float32))[None]
        return upsample(field, self.problem.factor, kernel)[0].numpy()

    def means(self, fine: np.ndarray) -> np.ndarray:
        """Return the means, (h, w), of fine numbers, (h·k, w·k)."""
        field = torch.from_numpy(np.ascontiguousarray(fine, dtype=np.float32))
        return aggregate(field, self.problem.factor).numpy()

    def with_residual(self, trend: np.ndarray) -> np.ndarray:
        """Return a trend, (h·k, w·k) in the space, with what the coarse field has beside it, in units.

        The residual is interpolated, in the space and once more in the target's units.
        """
        return self.in_units(trend + self.spread(self.values - self.means(trend)))

    def in_units(self, field: np.ndarray) -> np.ndarray:
        """Return a field in the target's units, smoothly brought to the coarse means."""
        units = np.maximum(field, 0) ** 2 if self.rooted else field
        units = units + self.spread(self.observed - self.means(units))
        return np.maximum(units, 0) if self.problem.target.nonnegative else units


def spaces(problem: Problem) -> list[str]:
    """Return the spaces worth trying: values as they are, and roots of what is never negative."""
    return [PLAIN, ROOT] if problem.target.nonnegative else [PLAIN]


def scene(problem: Problem, time: int, setting: Setting) -> Scene:
    """Return a date of a problem in the space of a setting."""
    fine = np.nan_to_num(channels(problem, time))
    coarse = aggregate(torch.from_numpy(fine), problem.factor).numpy()
    observed = problem.coarse[time]
    rooted = setting[SPACE] == ROOT
    values = np.sqrt(np.maximum(observed, 0)) if rooted else observed
    return Scene(problem, fine, coarse, values.astype(np.float32), observed, rooted)


def linear_coefficients(design: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the least-squares coefficients, (P,), of terms, (P, N), for values, (N,)."""
    x, y = design.astype(np.float64), values.astype(np.float64)
    gram = x @ x.T
    gram[np.diag_indices_from(gram)] += RIDGE * max(float(np.diag(gram).mean()), 1e-12)
    coefficients: np.ndarray = np.linalg.solve(gram, x @ y)
    return coefficients


def linear_trend(scene: Scene) -> np.ndarray:
    """Return a constant and all covariates, fitted on the coarse cells, as a fine field, (h·k, w·k)."""
    known = scene.known
    terms = np.concatenate([np.ones((1, *known.shape), np.float32), scene.coarse])
    first, *others = linear_coefficients(terms[:, known], scene.values[known])
    return np.tensordot(np.array(others), scene.fine, 1) + first
