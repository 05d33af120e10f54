"""The coarse field averaged further: pairs of levels at which detail and covariates are both known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.fields.conservation import aggregate
from engine.sharpening.covariates import CovariateField, Covariates, Standard
from engine.sharpening.terms import first_terms, terms
from engine.sharpening.working_space import WorkingSpace

STEP = 2  # coarser from level to level
LEAST_CELLS = 24  # of the coarser side of a pair, over all dates
MOST_LEVELS = 4  # farther up nothing is like what lies below the data


@dataclass
class Level:
    """What interpolation from cells twice as large leaves over on one grid, and terms that may explain it.

    Attributes:
        values: (P, D, H, W) terms, zero where a cell is not known.
        groups: the covariate of each term.
        detail: (D, H, W) in the standardised working space, zero where a cell is not known.
        known: (D, H, W) whether it is.
        field: (D, H, W) the whole field there, zero where a cell is not known.
        channels: (C, D, H, W) the standardised covariates themselves, zero where they are not known.
        own: of each channel the number of its first term, what it stands out from its coarse means.
    """

    values: Tensor
    groups: tuple[str, ...]
    detail: Tensor
    known: Tensor
    field: Tensor
    channels: Tensor
    own: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return int(self.detail.shape[-2]), int(self.detail.shape[-1])


def levels(
    coarse: Tensor,
    covariates: Covariates,
    standards: Mapping[str, Standard],
    space: WorkingSpace,
    area: Tensor | None = None,
) -> list[Level]:
    """Return the pairs of levels, that of the data first.

    Args:
        coarse: (D, H, W) in the target's units, NaN where invalid.
        covariates: on the same grid.
        standards: of each covariate.
        space: in which details add up.
        area: (H,) relative area of each row's cells, or None.
    """
    made: list[Level] = []
    while len(made) < MOST_LEVELS:
        rows, columns = coarse.shape[-2:]
        coarse = _even(coarse)
        covariates = {n: CovariateField(_even(c.values), c.sloped) for n, c in covariates.items()}
        weights = None if area is None else F.pad(area, (0, -rows % STEP), value=float(area[-1]))[None]
        above = aggregate(coarse, STEP, weights)
        if int(torch.isfinite(above).sum()) < LEAST_CELLS or min(above.shape[-2:]) < 2:
            break
        wide = None if weights is None else weights.expand(len(coarse), -1)
        base = space.forward(space.interpolated(above, STEP, wide))
        field = space.forward(coarse)
        detail = field - base
        known = torch.isfinite(detail)
        parts = list(terms(covariates, standards, base, STEP))
        values = torch.stack([term.values for term in parts]) if parts else detail.new_zeros(0, *detail.shape)
        made.append(
            Level(
                torch.where(known, values, 0.0)[..., :rows, :columns],
                tuple(term.covariate for term in parts),
                torch.where(known, detail, 0.0)[..., :rows, :columns],
                known[..., :rows, :columns],
                torch.where(known, field, 0.0)[..., :rows, :columns],
                _channels(covariates, standards, field)[..., :rows, :columns],
                first_terms(covariates),
            )
        )
        covariates = {n: c.averaged(STEP, weights) for n, c in covariates.items()}
        coarse = above
        area = None if weights is None else weights[0].unflatten(0, (-1, STEP)).mean(1)
    return made


def _channels(covariates: Covariates, standards: Mapping[str, Standard], like: Tensor) -> Tensor:
    fields = [
        torch.nan_to_num(channel, nan=0.0, posinf=0.0, neginf=0.0).expand_as(like)
        for name, covariate in covariates.items()
        for channel in standards[name].applied(covariate).unbind(1)
    ]
    return torch.stack(fields) if fields else like.new_zeros(0, *like.shape)


def _even(field: Tensor) -> Tensor:
    """Return the field with rows and columns without data added to a multiple of `STEP`."""
    rows, columns = field.shape[-2:]
    return F.pad(field, (0, -columns % STEP, 0, -rows % STEP), value=torch.nan)
