"""Channel and spatial attention after CBAM (Woo et al. 2018), made local.

CBAM pools each channel over the whole image, so a tile would see other weights than the field it
was cut from. Here a channel is pooled over each coarse cell, then over a sliding window of
`window` × `window` coarse cells around it. These windows are fixed to the coarse grid, so a tile
with enough halo gives exactly what the whole field gives.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.nets.gradient_layout import channel_maximum, channel_mean


class ChannelAttention(nn.Module):
    """Weights of the channels, one set for each coarse cell.

    A shared two-layer perceptron reads the mean and the maximum of every channel over the window;
    the sum of both goes through a sigmoid (equation 2 of the paper).
    `scale` is the number of pixels along a coarse cell; `window` is odd, in coarse cells.
    """

    def __init__(self, width: int, scale: int, window: int = 1, reduction: int = 4) -> None:
        super().__init__()
        self.scale, self.window = scale, window
        hidden = max(4, width // reduction)
        self.shared = nn.Sequential(nn.Conv2d(width, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return x, weighted; x is (B, width, h · scale, w · scale), its origin on a cell's corner."""
        mean, peak = x, x
        if self.scale > 1:
            mean, peak = functional.avg_pool2d(x, self.scale), functional.max_pool2d(x, self.scale)
        if self.window > 1:
            pad = self.window // 2
            # A window at the border averages what is there; such cells lie in the halo.
            mean = functional.avg_pool2d(mean, self.window, 1, pad, count_include_pad=False)
            peak = functional.max_pool2d(peak, self.window, 1, pad)
        gate = torch.sigmoid(self.shared(mean) + self.shared(peak))
        if self.scale > 1:
            gate = functional.interpolate(gate, scale_factor=self.scale, mode="nearest")
        return x * gate


class SpatialAttention(nn.Module):
    """Weights of the pixels: a 7×7 convolution over the channels' mean and maximum (equation 3)."""

    radius = 3

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        """Return x, weighted; x is (B, width, h, w)."""
        summary = torch.cat([channel_mean(x), channel_maximum(x)], 1)
        return x * torch.sigmoid(self.conv(summary))
