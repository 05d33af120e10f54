"""The target's climatology: its bands weighted by their distance in time from the date."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.fields.missing import all_finite
from engine.fields.windows import strip

_PIECE = 16384  # cells at a time, so that their bands stay in the processor's cache
_LINES = 2**16  # the same of one band at a time


def season_weights(distance: Tensor, kernel_months: float) -> Tensor:
    """Return weights exp(−distance / kernel) that sum to one over the bands.

    Args:
        distance: (B, M) in months, round the year; infinite: the band is withheld.
        kernel_months: the kernel's length.

    Returns:
        (B, M); all zero where every band is withheld.
    """
    distance = distance.float()
    nearest = distance.amin(-1, keepdim=True)
    # Only differences of distance matter: so a far season keeps its precision too.
    excess = torch.where(torch.isfinite(nearest), distance - nearest, torch.full_like(distance, torch.inf))
    weights = torch.exp(-excess / kernel_months)
    return weights / weights.sum(-1, keepdim=True).clamp_min(1e-30)


def flat_weights(distance: Tensor) -> Tensor:
    """Return equal weights for the bands that are not withheld; shapes as in `season_weights`."""
    weights = torch.isfinite(distance).float()
    return weights / weights.sum(-1, keepdim=True).clamp_min(1)


def weighted_mean(bands: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean over bands, of the valid ones in each cell.

    Args:
        bands: (B, M, H, W), NaN where invalid.
        weights: (B, M), 0 or more.

    Returns:
        (B, H, W), NaN where no band of positive weight is valid.
    """
    used = (weights > 0).any(0)
    if not bool(used.any()):
        return torch.full_like(bands[:, 0], torch.nan)
    if not bool(used.all()):
        bands, weights = bands[:, used], weights[:, used]
    mean = _combine(bands, weights) / weights.sum(-1)[:, None, None]
    if not all_finite(mean):  # only where a band is missing are the bands looked at one by one
        for some in _incomplete(mean, bands).any(0).nonzero().split(_PIECE):
            rows, columns = some.unbind(1)
            mean[:, rows, columns] = _mean_of_valid(bands[..., rows, columns].float(), weights.float())
    return mean


def _incomplete(mean: Tensor, bands: Tensor) -> Tensor:
    """Return where a band has a value and not all have, (B, H, W); their mean is NaN there."""
    cells = ~torch.isfinite(mean)
    step = strip(mean.shape[1], mean.shape[2], _LINES, mean.device)
    for holes, sample in zip(cells, bands, strict=True):
        for start in range(0, len(holes), step):  # strips that stay in the cache
            part = holes[start : start + step]
            columns = part.any(0).nonzero()[:, 0]
            if not len(columns):
                continue
            across = slice(int(columns[0]), int(columns[-1]) + 1)
            nothing = part[:, across].clone()
            for band in sample[:, start : start + step, across]:
                nothing &= torch.isnan(band)
            part[:, across] ^= nothing
    return cells


def _mean_of_valid(bands: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean over the valid bands, (B, M, N) and (B, M) to (B, N), NaN without one."""
    valid = torch.isfinite(bands)
    if not bool(valid.any()):
        return torch.full_like(bands[:, 0], torch.nan)
    weight = torch.bmm(weights.unsqueeze(1), valid.float())[:, 0]
    total = torch.bmm(weights.unsqueeze(1), torch.where(valid, bands, 0.0))[:, 0]
    return torch.where(weight > 0, total / torch.where(weight > 0, weight, 1.0), torch.nan)


def _combine(bands: Tensor, weights: Tensor) -> Tensor:
    """Return Σ weights·bands, (B, H, W), in one pass over memory."""
    weights = weights.float()
    if bands.device.type != "cpu":
        return torch.bmm(weights.unsqueeze(1), bands.float().flatten(2)).view(bands[:, 0].shape)
    # Bands are windows of larger ones: a matrix product would copy them first.
    result = bands.new_empty(bands[:, 0].shape, dtype=torch.float32)
    step = max(1, _PIECE // bands.shape[-1])
    for sample, field, own in zip(bands, result, weights.tolist(), strict=True):
        for start in range(0, field.shape[0], step):  # strips that stay in the cache
            strip = field[start : start + step]
            for number, (band, weight) in enumerate(zip(sample, own, strict=True)):
                values = band[start : start + step]
                if number:
                    strip.add_(values, alpha=weight)
                else:
                    torch.mul(values, weight, out=strip)
    return result
