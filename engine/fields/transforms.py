"""The space in which the network works: a transform of the target, then mean 0 and deviation 1."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.specs import TargetSpec

LARGEST_EXPONENT = 60.0  # e⁶⁰ is still a float32


def transform(values: Tensor, name: str, scale: float = 1.0) -> Tensor:
    """Return f(values / scale), f being `identity`, `log1p` or `cuberoot`; NaN stays NaN.

    log1p takes negative values as zero; the cube root keeps the sign.
    """
    x = values.float() if scale == 1 else values.float() / scale
    if name == "log1p":
        return torch.log1p(x.clamp_min(0))
    if name == "cuberoot":  # the floor keeps the gradient at zero finite
        return torch.sign(x) * x.abs().clamp_min(1e-12).pow(1 / 3)
    return x


def inverse(values: Tensor, name: str, scale: float = 1.0) -> Tensor:
    """Return f⁻¹(values)·scale, the inverse of `transform`."""
    if name == "log1p":
        values = torch.expm1(values.clamp_max(LARGEST_EXPONENT))
    elif name == "cuberoot":
        values = values.pow(3)
    return values if scale == 1 else values * scale


def normalised(values: Tensor, target: TargetSpec) -> Tensor:
    """Return physical values of the target as the network sees them."""
    return (transform(values, target.transform, target.scale) - target.mean) * (1 / target.std)


def physical(values: Tensor, target: TargetSpec) -> Tensor:
    """Return what `normalised` took away, in the target's units."""
    return inverse(values * target.std + target.mean, target.transform, target.scale)
