"""The losses: between fields, adversarial, and the conservation residual. NaN cells take no part."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from engine.conservation import aggregate
from training.config import PointLoss


def masked_mean(values: Tensor, valid: Tensor) -> Tensor:
    """Return the mean of `values` over `valid` cells, zero where there is none."""
    kept = torch.where(valid, values, torch.zeros_like(values))
    return kept.sum() / valid.sum().clamp_min(1)


def point_loss(prediction: Tensor, truth: Tensor, section: PointLoss) -> Tensor:
    """Return the mean loss over cells where both fields are valid.

    l1: |e|; mse: e²; charbonnier: √(e² + ε²) − ε (Charbonnier et al. 1994), with e the error.
    """
    valid = torch.isfinite(prediction) & torch.isfinite(truth)
    # Invalid cells are replaced before the subtraction: a NaN would spoil their zero gradient.
    zero = torch.zeros((), dtype=prediction.dtype, device=prediction.device)
    error = torch.where(valid, prediction, zero) - torch.where(valid, truth, zero)
    if section.kind == "l1":
        values = error.abs()
    elif section.kind == "mse":
        values = error.square()
    else:
        values = torch.sqrt(error.square() + section.epsilon**2) - section.epsilon
    return masked_mean(values, valid)


def conservation_loss(fine: Tensor, coarse: Tensor, factor: int, area: Tensor | None = None) -> Tensor:
    """Return the mean |aggregate − coarse| over valid coarse cells, in the fields' units.

    Args:
        fine: (B, h·k, w·k) before the conservation layer.
        coarse: (B, h, w).
        factor: k.
        area: (B, h·k) relative area of each row's cells, None where cells count equally.
    """
    mean = aggregate(fine, factor, area)
    valid = torch.isfinite(mean) & torch.isfinite(coarse)
    zero = torch.zeros((), dtype=mean.dtype, device=mean.device)
    residual = torch.where(valid, mean, zero) - torch.where(valid, coarse, zero)
    return masked_mean(residual.abs(), valid)


def discriminator_loss(real: Tensor, fake: Tensor, kind: str) -> Tensor:
    """Return the discriminator's loss from its logits of real and generated fields.

    hinge: mean max(0, 1 − real) + mean max(0, 1 + fake) (Lim & Ye 2017);
    leastsquares: mean (real − 1)² + mean fake² (Mao et al. 2017).
    """
    if kind == "leastsquares":
        return (real - 1).square().mean() + fake.square().mean()
    return functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()


def adversarial_loss(fake: Tensor, kind: str) -> Tensor:
    """Return the generator's adversarial loss from the logits of its fields.

    hinge: −mean fake; leastsquares: mean (fake − 1)².
    """
    return (fake - 1).square().mean() if kind == "leastsquares" else -fake.mean()
