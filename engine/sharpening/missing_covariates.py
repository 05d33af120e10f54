"""Where a covariate is missing: what it would have explained stays unknown there, and only there.

Over the missing share m of a cell nothing is known of the covariate's part of the detail, so the mean of the
rest is off by m times what that part deviates, and that of the cell above, to which the detail adds up, by
its own missing share f: of the part's mean square (m² + f²) is not carried, at most all of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.fields.conservation import aggregate
from engine.fields.windows import spread_cells
from engine.sharpening.covariates import Covariates
from engine.sharpening.levels import LEAST_CELLS, Level

LEAST_SHARE = 0.1  # of a level's known cells that must be left to measure the rest on

Shares = Mapping[str, Tensor]


def with_all_known(levels: Sequence[Level], wanted: Collection[str]) -> list[Level]:
    """Return levels whose cells count as known only where some covariates and their neighbours are known.

    A level of which too little would be left stays as it is.

    Args:
        levels: of the fit.
        wanted: the covariates that are asked for.
    """
    return [_all_known(level, wanted) for level in levels]


def _all_known(level: Level, wanted: Collection[str]) -> Level:
    holes = [level.missing[name] for name in wanted if name in level.missing]
    if not holes:
        return level
    missing = torch.stack(holes).any(0)
    known = level.known & ~(F.max_pool2d(missing.float()[:, None], 3, 1, 1)[:, 0] > 0)
    if int(known.sum()) < max(LEAST_CELLS, LEAST_SHARE * int(level.known.sum())):
        return level
    return replace(level, known=known, freedom=level.freedom * known)


def missing_shares(
    covariates: Covariates, domain: Tensor | None, edges: Sequence[int]
) -> Mapping[int, Shares]:
    """Return the share of each cell over which a covariate is missing, by edge in fine cells.

    Args:
        covariates: on the fine cells, (D, C, H, W).
        domain: (D, H, W) the fine cells that count; None: all.
        edges: of the cells that are asked for; they divide H and W.

    Returns:
        Edge → covariate → (D, H/edge, W/edge), of those alone that miss any.
    """
    made: dict[int, dict[str, Tensor]] = {edge: {} for edge in edges}
    for name, covariate in covariates.items():
        gone = ~torch.isfinite(covariate.values).all(1)
        if domain is not None:
            gone = gone & domain
        if not bool(gone.any()):
            continue
        share = gone.float() if domain is None else torch.where(domain, gone.float(), torch.nan)
        for edge in edges:
            made[edge][name] = torch.nan_to_num(aggregate(share, edge))
    return made


def not_carried(share: Tensor, above: Tensor, step: int) -> Tensor:
    """Return the share of a covariate's part of the detail that a step cannot carry, 0..1.

    Args:
        share: (D, H, W) missing of the cells on the fine side.
        above: (D, H/step, W/step) missing of those on the coarse side.
        step: cells along a coarse side's cell.
    """
    return (share.square() + spread_cells(above, step).square()).clamp_max(1)
