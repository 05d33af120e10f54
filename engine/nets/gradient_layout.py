"""Operations whose gradients stay in the memory layout of the maps: torch's own fall back to another.

Where maps are channels-last, a gradient that is not makes each sum of the two, and each kernel after it,
several times slower. Values are those of torch's operations.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable


def cut_out(x: Tensor, rows: slice, columns: slice) -> Tensor:
    """Return x[..., rows, columns]; the gradient of channels-last maps is channels-last."""
    if x.requires_grad and _only_channels_last(x):
        return _CutOut.apply(x, rows, columns)
    return x[..., rows, columns]


def channel_mean(x: Tensor) -> Tensor:
    """Return the mean over channels, (B, 1, h, w)."""
    return _ChannelMean.apply(x) if x.requires_grad else x.mean(1, keepdim=True)


def channel_maximum(x: Tensor) -> Tensor:
    """Return the maximum over channels, (B, 1, h, w); equal ones share its gradient."""
    return _ChannelMaximum.apply(x) if x.requires_grad else _maximum(x)


def _maximum(x: Tensor) -> Tensor:
    """Return the maximum over channels by halves: four times as fast in bfloat16."""
    while x.shape[1] > 4 and x.shape[1] % 2 == 0:
        half = x.shape[1] // 2
        x = torch.maximum(x[:, :half], x[:, half:])
    return x.amax(1, keepdim=True)


def _only_channels_last(x: Tensor) -> bool:
    return x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


class _CutOut(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: slice, columns: slice) -> Tensor:
        ctx.shape, ctx.place = x.shape, (rows, columns)
        return x[..., rows, columns]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        batch, channels, height, width = ctx.shape
        whole = grad.new_zeros((batch, height, width, channels)).permute(0, 3, 1, 2)
        whole[(..., *ctx.place)] = grad
        return whole, None, None


class _ChannelMean(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.shape = x.shape
        return x.mean(1, keepdim=True)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return (grad / ctx.shape[1]).expand(ctx.shape)


class _ChannelMaximum(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        peak = _maximum(x)
        ctx.save_for_backward(x, peak)
        return peak

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        x, peak = ctx.saved_tensors
        least = -torch.finfo(x.dtype).tiny
        # What reaches the maximum lets a gradient through, as of a rectified unit: a kernel that is fast.
        shares = torch.ops.aten.threshold_backward(torch.ones_like(x), x - peak, least)
        return shares.mul_(grad / shares.sum(1, keepdim=True))
