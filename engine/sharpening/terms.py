"""The terms of the relation: what each covariate can tell of the detail inside a cell.

Of a standardised covariate z on cells k times smaller than the field's, with D z = z − ↑mean(z), what
stands out from its own coarse means, interpolated as the field is, u the interpolated field, and e and n the
differences to the neighbours eastwards and northwards:

    D z,  u · D z,  ↑mean(z) · D z,  D e,  D n.

The products let the relation change with the field (a melting snow pack) and along the covariate; the
differences tell windward from lee and sunny from shaded sides. Classes and angles have the first two.
All vanish where the covariate has no detail, so they cannot invent any.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.fields.conservation import aggregate
from engine.fields.upsample import upsample
from engine.fields.windows import crop, spread_cells
from engine.sharpening.covariates import Covariates, Standard


@dataclass(frozen=True)
class Term:
    """One term: (D, H, W), zero where the covariate is invalid."""

    covariate: str
    values: Tensor


def terms(
    covariates: Covariates,
    standards: Mapping[str, Standard],
    field: Tensor,
    k: int,
    cut: int = 0,
    known: Tensor | None = None,
) -> Iterator[Term]:
    """Yield the terms on the fine side of a step, always in the same order.

    Args:
        covariates: on the fine side, with `cut` more cells of the coarse side around.
        standards: of each.
        field: (D, H, W) interpolated field in the standardised working space, NaN where there is none.
        k: fine cells along the edge of a cell on the coarse side; it divides H and W.
        cut: see `covariates`.
        known: (D, H, W) the cells that the field's coarse means are means of; None: all. Without it a mean
            over a hole's edge would be of other ground than the field's.
    """
    field = torch.nan_to_num(field)
    for name, covariate in covariates.items():
        for z in standards[name].applied(covariate).unbind(1):
            mean = _interpolated(z if known is None else torch.where(known, z, torch.nan), k)
            own = crop(_known(z - mean), cut, k)
            yield Term(name, own.expand_as(field))
            yield Term(name, own * field)
            if not covariate.sloped:
                continue
            yield Term(name, (own * crop(_known(mean), cut, k)).expand_as(field))
            for difference in _differences(z):
                stands_out = _known(difference - _interpolated(difference, k))
                yield Term(name, crop(stands_out, cut, k).expand_as(field))


def first_terms(covariates: Covariates) -> tuple[int, ...]:
    """Return the number of the first term of each channel, D z."""
    numbers, start = [], 0
    for covariate in covariates.values():
        for _ in range(covariate.values.shape[1]):
            numbers.append(start)
            start += 5 if covariate.sloped else 2
    return tuple(numbers)


def _known(values: Tensor) -> Tensor:
    return torch.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)


def _interpolated(z: Tensor, k: int) -> Tensor:
    """Return the coarse means of a field, interpolated as that to be sharpened is: smoothly conserved."""
    means = aggregate(z, k)
    smooth = upsample(means, k, "bicubic")
    change = means - aggregate(smooth, k)
    smooth = smooth + upsample(torch.where(torch.isfinite(change), change, 0.0), k, "bicubic")
    return smooth + spread_cells(means - aggregate(smooth, k), k)


def _differences(z: Tensor) -> tuple[Tensor, Tensor]:
    """Return half the differences between the neighbours east and west, and north and south."""
    around = F.pad(z.unsqueeze(1), (1, 1, 1, 1), mode="replicate").squeeze(1)
    east = (around[:, 1:-1, 2:] - around[:, 1:-1, :-2]) / 2
    north = (around[:, :-2, 1:-1] - around[:, 2:, 1:-1]) / 2
    return east, north
