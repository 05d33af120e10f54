"""The space in which the network works: a transform of the target, then mean 0 and deviation 1.

A new transform is an entry of `TRANSFORMS`. Cards and configurations know those that stand there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.specs import TargetSpec

if TYPE_CHECKING:
    from torch import Tensor

LARGEST_EXPONENT = 60.0  # e⁶⁰ is still a float32


@dataclass(frozen=True)
class Transform:
    """A function of float32 values, and its inverse; NaN stays NaN."""

    forward: Callable[[Tensor], Tensor]
    inverse: Callable[[Tensor], Tensor]
    from_zero: bool = False  # for values from 0 on; smaller ones are taken as 0


TRANSFORMS = {
    "identity": Transform(lambda x: x, lambda values: values),
    "log1p": Transform(
        lambda x: x.clamp_min(0).log1p(),
        lambda values: values.clamp_max(LARGEST_EXPONENT).expm1(),
        from_zero=True,
    ),
    # It keeps the sign; the floor keeps the gradient at zero finite.
    "cuberoot": Transform(
        lambda x: x.sign() * x.abs().clamp_min(1e-12).pow(1 / 3), lambda values: values.pow(3)
    ),
}


def transform(values: Tensor, name: str, scale: float = 1.0) -> Tensor:
    """Return f(values / scale), float32, f being one of `TRANSFORMS`."""
    x = values.float() if scale == 1 else values.float() / scale
    return TRANSFORMS[name].forward(x)


def inverse(values: Tensor, name: str, scale: float = 1.0) -> Tensor:
    """Return f⁻¹(values)·scale, the inverse of `transform`."""
    values = TRANSFORMS[name].inverse(values)
    return values if scale == 1 else values * scale


def from_zero(values: Tensor, target: TargetSpec) -> Tensor:
    """Return physical values with zero for the negatives of what cannot be negative, as conservation has it.

    Round-off of packed files (−3e-9 mm of rain) is far from zero after a cube root.
    """
    return values.clamp_min(0) if target.nonnegative or target.bounds[0] == 0 else values


def normalised(values: Tensor, target: TargetSpec) -> Tensor:
    """Return physical values of the target as the network sees them."""
    values = from_zero(values, target)
    return (transform(values, target.transform, target.scale) - target.mean) * (1 / target.std)


def physical(values: Tensor, target: TargetSpec) -> Tensor:
    """Return what `normalised` took away, in the target's units."""
    return inverse(values * target.std + target.mean, target.transform, target.scale)
