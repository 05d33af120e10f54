"""The losses: between fields, of ensembles, adversarial, of conservation. NaN cells take no part."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from engine.fields.conservation import aggregate
from training.schema.config import PointLoss
from training.trainer.distributed import mean, mean_count


def masked_mean(values: Tensor, valid: Tensor) -> Tensor:
    """Return the mean of `values` over `valid` cells, zero where there is none."""
    kept = torch.where(valid, values, torch.zeros_like(values))
    return kept.sum() / mean_count(valid.sum())


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


def ensemble_crps(members: Tensor, truth: Tensor, fairness: float = 1.0) -> Tensor:
    """Return the mean continuous ranked probability score of M members, NaN cells left out.

    mean |xᵢ − y| − (1 − (1 − α) / M) · Σ |xᵢ − xⱼ| / (2·M·(M − 1)) over i, j (Lang et al. 2024,
    "AIFS-CRPS", equation 4). α = 1 is the fair score, whose expectation does not depend on M (Ferro
    2014); α = 0 is the score of the M members as a distribution of their own.

    Args:
        members: (M, B, h, w), M ≥ 2.
        truth: (B, h, w).
        fairness: α, from 0 to 1.
    """
    count = members.shape[0]
    valid = torch.isfinite(truth) & torch.isfinite(members).all(0)
    # Invalid cells are replaced before the subtraction: a NaN would spoil their zero gradient.
    zero = torch.zeros((), dtype=members.dtype, device=members.device)
    members, truth = torch.where(valid, members, zero), torch.where(valid, truth, zero)
    skill = (members - truth).abs().mean(0)
    # Σ |xᵢ − xⱼ| over all pairs i < j is a weighted sum of the sorted members.
    ordered = members.sort(0).values
    ranks = torch.arange(count, dtype=members.dtype, device=members.device)
    pairs = torch.einsum("m,m...->...", 2 * ranks - (count - 1), ordered)
    share = (1 - (1 - fairness) / count) / (count * (count - 1))
    return masked_mean(skill - share * pairs, valid)


def differences_crps(members: Tensor, truth: Tensor, gaps: Sequence[int], fairness: float = 1.0) -> Tensor:
    """Return the mean CRPS of differences between cells, over their distances and both directions.

    The CRPS of cells asks each to be right by itself; this proper score of increments asks for texture
    too. The variogram score compares the same differences through one moment (Scheuerer & Hamill 2015).

    Args:
        members: (M, B, h, w), M ≥ 2.
        truth: (B, h, w).
        gaps: the distances, in cells; those that the fields are too small for do not count.
        fairness: α, as in `ensemble_crps`.
    """
    scores = [
        ensemble_crps(_differences(members, gap, axis), _differences(truth, gap, axis), fairness)
        for gap in gaps
        for axis in (-2, -1)
        if truth.shape[axis] > gap
    ]
    return torch.stack(scores).mean() if scores else members.new_zeros(())


def _differences(field: Tensor, gap: int, axis: int) -> Tensor:
    """Return the differences of cells `gap` apart along an axis, which gets shorter by `gap`."""
    count = field.shape[axis] - gap
    return field.narrow(axis, gap, count) - field.narrow(axis, 0, count)


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
    leastsquares: mean (real − 1)² + mean fake² (Mao et al. 2017);
    logistic: the cross-entropy of real and fake (Goodfellow et al. 2014).
    """
    if kind == "logistic":
        return mean(functional.softplus(-real)) + mean(functional.softplus(fake))
    if kind == "leastsquares":
        return mean((real - 1).square()) + mean(fake.square())
    return mean(functional.relu(1 - real)) + mean(functional.relu(1 + fake))


def adversarial_loss(fake: Tensor, kind: str) -> Tensor:
    """Return the generator's adversarial loss from the logits of its fields.

    hinge: −mean fake; leastsquares: mean (fake − 1)²; logistic: −mean log σ(fake), not saturating.
    """
    if kind == "logistic":
        return mean(functional.softplus(-fake))
    return mean((fake - 1).square()) if kind == "leastsquares" else -mean(fake)
