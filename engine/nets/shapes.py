"""What a generator is given: shapes checked, sources stacked with absent ones as zeros, windows cropped."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from engine.errors import InputError
from engine.nets.spec import NetworkSpec


def window_size(
    spec: NetworkSpec, halo: int, coarse: Mapping[str, Tensor], fine: Mapping[str, Tensor]
) -> tuple[int, int]:
    """Return the rows and columns in coarse cells that the sources cover, halo included.

    Raises:
        InputError: an unknown source, sizes that do not fit together, or no cell inside the halo.
    """
    if torch.compiler.is_compiling():  # the sizes are symbols then, and were checked before
        first = next(iter(coarse.values()))
        return first.shape[-2], first.shape[-1]
    for given, known, factor in ((coarse, spec.coarse, 1), (fine, spec.fine, spec.factor)):
        for name, x in given.items():
            if name not in known:
                raise InputError(f"The network knows no source {name!r}; it knows {', '.join(known)}.")
            if x.shape[1] != known[name] or x.shape[-2] % factor or x.shape[-1] % factor:
                raise InputError(f"Source {name!r} has the shape {tuple(x.shape)}, which does not fit.")
    if not coarse:
        raise InputError("The generator needs at least one coarse source.")
    sizes = {(x.shape[-2], x.shape[-1]) for x in coarse.values()}
    sizes |= {(x.shape[-2] // spec.factor, x.shape[-1] // spec.factor) for x in fine.values()}
    if len(sizes) != 1:
        raise InputError("The network's sources cover different windows.")
    rows, columns = sizes.pop()
    if min(rows, columns) <= 2 * halo:
        raise InputError(f"The window is smaller than the network's halo of {halo} coarse cells.")
    return rows, columns


def stacked(
    given: Mapping[str, Tensor], known: Mapping[str, int], like: Tensor, batch: int, size: tuple[int, int]
) -> Tensor:
    """Return all known sources as channels, (B, C, h, w) in the dtype of `like`.

    An absent source is zero, its validity mask too.
    """
    parts = [
        given[name].to(like.dtype) if name in given else like.new_zeros((batch, channels, *size))
        for name, channels in known.items()
    ]
    return torch.cat(parts, 1)


def cropped(x: Tensor, height: int, width: int) -> Tensor:
    """Return the middle of (…, H, W), height × width pixels.

    Raises:
        ValueError: it has no such middle.
    """
    down, right = x.shape[-2] - height, x.shape[-1] - width
    if down < 0 or right < 0 or down % 2 or right % 2:
        raise ValueError(f"a map of {tuple(x.shape[-2:])} has no middle of {(height, width)}")
    top, left = down // 2, right // 2
    return x[..., top : top + height, left : left + width]


def first_pixel(margin: int, prime: int) -> int:
    """Return the margin before a bilinear enlargement that `margin` pixels after it look at."""
    return -((1 - 2 * margin - prime) // (2 * prime))


def start_at_zero(layer: nn.Conv2d) -> None:
    """Let a convolution return 0 until it is trained."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
