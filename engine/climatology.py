"""The target's climatology: its bands weighted by their distance in time from the date."""

from __future__ import annotations

import torch
from torch import Tensor


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
    total = _combine(bands, weights)
    if bool(torch.isfinite(total).all()):
        return total / weights.sum(-1)[:, None, None]
    valid = torch.isfinite(bands)
    weight = _combine(valid.float(), weights)
    total = _combine(torch.where(valid, bands, torch.zeros_like(bands)), weights)
    mean = total / torch.where(weight > 0, weight, torch.ones_like(weight))
    return torch.where(weight > 0, mean, torch.full_like(mean, torch.nan))


def _combine(bands: Tensor, weights: Tensor) -> Tensor:
    """Return Σ weights·bands, (B, H, W), in one pass over memory."""
    return torch.bmm(weights.float().unsqueeze(1), bands.float().flatten(2)).view(bands[:, 0].shape)
