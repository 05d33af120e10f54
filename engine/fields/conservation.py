"""The conservation layer: fine cells aggregate to the coarse cell that holds them.

After Harder et al. 2023, "Hard-constrained deep learning for climate downscaling", JMLR 24(365):
multiplicative for non-negative targets, y ← y·X / mean(y), additive for others,
y ← y + X − mean(y). What physical bounds cut off is redistributed inside the coarse cell
(`_redistribute`). Everything is in physical units, float32 and differentiable; cells without
data take no part and pass no gradient.

Each step reads the fine field a few times at most, since the layer runs on every output cell.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.specs import TargetSpec

# Fine cells that hold less than this share of the coarse value say nothing of its pattern.
NEGLIGIBLE = 1e-6
# Of the largest value: negatives so near to zero come of packing, and are zero. The steps of a 16-bit file
# are no finer.
ROUND_OFF = 1e-5


def aggregate(fine: Tensor, factor: int, area: Tensor | None = None) -> Tensor:
    """Return the mean over each coarse cell's valid fine cells, NaN where there is none.

    Args:
        fine: (..., h·k, w·k); NaN and infinities are invalid.
        factor: k, fine cells along a coarse cell's edge.
        area: (..., h·k) relative area of each row's cells; None: all cells count the same.

    Returns:
        (..., h, w), float32.
    """
    fine = fine.float()
    total = _block_sum(_weighted(fine, area), factor)
    mean = total / _full_weight(fine, factor, area)
    invalid = ~torch.isfinite(total)
    # The coarse means tell whether any fine cell is invalid, and where, which is cheap.
    if not bool(invalid.any()):
        return mean
    if fine.requires_grad or int(invalid.sum(dtype=torch.int32)) > invalid.numel() // 2:
        return _masked_mean(fine, torch.isfinite(fine), factor, area)[0]
    *lead, row, column = invalid.nonzero(as_tuple=True)
    blocks = fine.unflatten(-2, (-1, factor)).unflatten(-1, (-1, factor)).movedim(-2, -3)
    blocks = blocks[(*lead, row, column)]
    if area is not None:
        area = area.expand(fine.shape[:-1]).unflatten(-1, (-1, factor))[(*lead, row)]
    mean[invalid] = _masked_mean(blocks, torch.isfinite(blocks), factor, area)[0][:, 0, 0]
    return mean


def limits(target: TargetSpec) -> tuple[float | None, float | None]:
    """Return the target's bounds; a multiplicative target is never below zero."""
    low, high = target.bounds
    if target.nonnegative:
        low = 0.0 if low is None else max(low, 0.0)
    return low, high


def clipped(field: Tensor, target: TargetSpec) -> Tensor:
    """Return a field in physical units, cut off at the target's bounds; NaN stays NaN."""
    return _clip(field, *limits(target))


def outside_bounds(coarse: Tensor, target: TargetSpec) -> float:
    """Return the share of valid coarse cells whose value lies outside the target's bounds.

    Negatives of round-off (`ROUND_OFF`) do not: they are zero.
    """
    low, high = limits(target)
    valid = torch.isfinite(coarse)
    count = int(valid.sum(dtype=torch.int32))
    if not count:
        return 0.0
    outside = torch.zeros_like(valid)
    if low is not None:
        below = coarse < low
        if low == 0 and bool((below & valid).any()):
            below = coarse < -ROUND_OFF * coarse[valid].max().clamp_min(0)
        outside |= below
    if high is not None:
        outside |= coarse > high
    return int((outside & valid).sum(dtype=torch.int32)) / count


def conserve(
    fine: Tensor,
    coarse: Tensor,
    factor: int,
    target: TargetSpec,
    strength: float = 1.0,
    area: Tensor | None = None,
) -> Tensor:
    """Make `fine` aggregate to `coarse`.

    A zero coarse cell gives zeros, a positive one over all-zero fine cells a uniform field.
    Coarse values outside the bounds are clipped to them first: see `outside_bounds`. Where
    `coarse` is invalid the result is NaN; invalid fine cells stay NaN and the valid ones of
    their coarse cell carry its mean.

    Args:
        fine: (B, h·k, w·k), physical units.
        coarse: (B, h, w), same units.
        factor: k.
        target: tells the rule, the bounds, and whether cells weigh by count or by area.
        strength: 0 leaves `fine` within the bounds as it is, 1 conserves to float32's
            precision; between, the residual shrinks to (1 − strength) of what it was.
        area: (B, h·k) relative area of each row's cells; used when the target's weights are
            "area".

    Returns:
        (B, h·k, w·k), float32.
    """
    area = area if target.by_area else None
    low, high = limits(target)
    fine, coarse = fine.float(), _clip(coarse.float(), low, high)
    known = torch.isfinite(coarse)
    coarse = torch.where(known, coarse, torch.zeros_like(coarse))
    total = _block_sum(_weighted(fine, area), factor)
    valid = None if bool(torch.isfinite(total).all()) else torch.isfinite(fine)
    if valid is not None:
        fine = torch.where(valid, fine, torch.zeros_like(fine))
    fine = _clip(fine, low, high)
    if strength > 0:
        conserved = _conserve_valid(fine, valid, coarse, factor, target, area)
        fine = conserved if strength >= 1 else torch.lerp(fine, conserved, strength)
    if not bool(known.all()):
        inside = _spread(known, factor).expand(*known.shape[:-1], factor, -1).reshape(fine.shape)
        valid = inside if valid is None else valid & inside
    return fine if valid is None else torch.where(valid, fine, torch.full_like(fine, torch.nan))


def _conserve_valid(
    fine: Tensor, valid: Tensor | None, coarse: Tensor, factor: int, target: TargetSpec, area: Tensor | None
) -> Tensor:
    """Conserve fields without NaN: `fine` is within the bounds and zero where not `valid`."""
    low, high = limits(target)
    mean = _mean(fine, valid, factor, area)
    if target.nonnegative:
        empty = mean <= NEGLIGIBLE * coarse
        ratio = coarse / torch.where(empty, torch.ones_like(mean), mean)
        ratio = torch.where(empty, torch.zeros_like(ratio), ratio)
        result = _rows(fine, factor) * _spread(ratio, factor)
        if bool((empty & (coarse > 0)).any()):
            uniform = torch.where(empty, coarse, torch.zeros_like(coarse))
            result = result + _spread(uniform, factor)
    else:
        result = _rows(fine, factor) + _spread(coarse - mean, factor)
    result = result.view(fine.shape)
    can_bind = high is not None or (low is not None and (low > 0 or target.conservation == "additive"))
    if can_bind:
        result = _redistribute(_clip(result, low, high), valid, coarse, factor, (low, high), area)
    return result


def _redistribute(
    fine: Tensor,
    valid: Tensor | None,
    coarse: Tensor,
    factor: int,
    bounds: tuple[float | None, float | None],
    area: Tensor | None,
) -> Tensor:
    """Give what the bounds cut off to the other fine cells, in proportion to their room.

    With m the mean of the clipped y and X inside [a, b]: where m < X,
    y ← y + (b − y)·(X − m)/(b − m); where m > X, y ← y − (y − a)·(m − X)/(m − a). Both are exact,
    keep the bounds and the order of the cells, and leave a cell that nothing was cut from as it is.
    """
    low, high = bounds
    mean = _mean(fine, valid, factor, area)
    gap = coarse - mean
    rows = _rows(fine, factor)
    result = rows
    for bound, short in ((high, gap > 0), (low, gap < 0)):
        if bound is None or not bool(short.any()):
            continue
        active = short & (mean != bound)
        room = torch.where(active, bound - mean, torch.ones_like(mean))
        if bound == 0:  # the same without a difference of near numbers
            share = torch.where(active, (bound - coarse) / room, torch.ones_like(mean))
            result = result * _spread(share, factor)
        else:
            share = torch.where(active, gap / room, torch.zeros_like(gap))
            result = result + (bound - rows) * _spread(share, factor)
    return _clip(result.view(fine.shape), low, high)


def _mean(fine: Tensor, valid: Tensor | None, factor: int, area: Tensor | None) -> Tensor:
    if valid is None:
        return _block_sum(_weighted(fine, area), factor) / _full_weight(fine, factor, area)
    mean, weight = _masked_mean(fine, valid, factor, area)
    return torch.where(weight > 0, mean, torch.zeros_like(mean))


def _masked_mean(fine: Tensor, valid: Tensor, factor: int, area: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the mean over valid cells (NaN where there is none) and the weight of those cells."""
    weight = _block_sum(_weighted(valid.to(fine.dtype), area), factor)
    kept = torch.where(valid, fine, torch.zeros_like(fine))
    total = _block_sum(_weighted(kept, area), factor)
    some = weight > 0
    mean = total / torch.where(some, weight, torch.ones_like(weight))
    return torch.where(some, mean, torch.full_like(mean, torch.nan)), weight


def _full_weight(fine: Tensor, factor: int, area: Tensor | None) -> Tensor | float:
    if area is None:
        return float(factor * factor)
    return area.float().unflatten(-1, (-1, factor)).sum(-1, keepdim=True) * factor


def _weighted(fine: Tensor, area: Tensor | None) -> Tensor:
    return fine if area is None else fine * area.float().unsqueeze(-1)


def _block_sum(fine: Tensor, factor: int) -> Tensor:
    """Sum over k × k blocks, rows first: contiguous reads, and short sums that round little."""
    return _rows(fine, factor).sum(-2).unflatten(-1, (-1, factor)).sum(-1)


def _rows(fine: Tensor, factor: int) -> Tensor:
    """View (..., h·k, W) as (..., h, k, W)."""
    return fine.unflatten(-2, (-1, factor))


def _spread(coarse: Tensor, factor: int) -> Tensor:
    """Repeat (..., h, w) along the rows to (..., h, 1, w·k), which broadcasts over `_rows`."""
    return coarse.repeat_interleave(factor, -1).unsqueeze(-2)


def _clip(values: Tensor, low: float | None, high: float | None) -> Tensor:
    return values if low is None and high is None else values.clamp(low, high)
