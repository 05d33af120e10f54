"""Inception box: one map seen at several scales at once (Szegedy et al. 2015, with a residual path).

Beside it the plain box, for networks without.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class InceptionBox(nn.Module):
    """Four branches, concatenated and added to the input.

    The branches are 1×1 | 1×1 → 3×3 | 1×1 → 5×5 | 3×3 max-pool → 1×1, each of width / 4 channels.
    Input and output are (B, width, h, w); the border of `radius` pixels is affected by the padding.
    Raises ValueError when `width` is not a multiple of 4.
    """

    radius = 2

    def __init__(self, width: int) -> None:
        super().__init__()
        if width % 4:
            raise ValueError(f"an inception box needs a width that is a multiple of 4, not {width}")
        part = width // 4
        self.point = nn.Conv2d(width, part, 1)
        self.reduce3 = nn.Conv2d(width, part, 1)
        self.conv3 = nn.Conv2d(part, part, 3, padding=1)
        self.reduce5 = nn.Conv2d(width, part, 1)
        self.conv5 = nn.Conv2d(part, part, 5, padding=2)
        self.pooled = nn.Conv2d(width, part, 1)
        self.mix = nn.Conv2d(width, width, 1)

    def branches(self, x: Tensor) -> list[Tensor]:
        """Return the four branches' maps, each (B, width / 4, h, w)."""
        point, three, five = self._entries(x)
        return [point, self.conv3(three), self.conv5(five), self.pooled(nearby_maximum(x))]

    def _entries(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the 1×1 convolutions make of the map, rectified for the larger ones.

        In training they are one: it reads the map once, and its gradient is one map and not a sum of three.
        """
        if not x.requires_grad:
            return self.point(x), functional.relu_(self.reduce3(x)), functional.relu_(self.reduce5(x))
        layers = (self.point, self.reduce3, self.reduce5)
        weight = torch.cat([layer.weight for layer in layers])
        bias = torch.cat([layer.bias for layer in layers if layer.bias is not None])
        point, three, five = functional.conv2d(x, weight, bias).chunk(3, 1)
        return point, functional.relu(three), functional.relu(five)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, width, h, w)."""
        mixed: Tensor = self.mix(functional.relu_(torch.cat(self.branches(x), 1)))
        return mixed.add_(x)


def nearby_maximum(x: Tensor) -> Tensor:
    """Return the maximum over the 3 × 3 pixels around each, (B, C, h, w).

    Without a gradient by shifts, along rows and then columns: torch's pooling keeps where each maximum
    came from, and is 3 to 25 times as slow. A compiler has a pooling of its own.
    """
    if x.requires_grad or x.device.type != "cpu" or torch.compiler.is_compiling():
        return functional.max_pool2d(x, 3, stride=1, padding=1)
    return _maximum_along(_maximum_along(x, -1), -2)


def _maximum_along(x: Tensor, dim: int) -> Tensor:
    """Return the maximum of each pixel and those before and after it along a dimension."""
    result, length = torch.empty_like(x), x.shape[dim]
    first, inner = result.narrow(dim, 0, 1), result.narrow(dim, 1, length - 1)
    first.copy_(x.narrow(dim, 0, 1))
    torch.maximum(x.narrow(dim, 1, length - 1), x.narrow(dim, 0, length - 1), out=inner)
    before = result.narrow(dim, 0, length - 1)
    torch.maximum(before, x.narrow(dim, 1, length - 1), out=before)
    return result


class PlainBox(nn.Module):
    """A residual 3×3 convolution of the same width: what an inception box is measured against."""

    radius = 1

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, width, h, w); the border of `radius` pixels is affected by the padding."""
        return x + functional.relu_(self.conv(x))
