"""Gradients of channels-last maps are channels-last, and what torch's own operations would give."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from engine.nets.generator import Generator
from engine.nets.gradient_layout import channel_maximum, channel_mean, cut_out
from engine.nets.inception import InceptionBox
from engine.nets.spec import NetworkSpec

LAST = torch.channels_last


def maps(channels: int = 8) -> torch.Tensor:
    return torch.randn(2, channels, 10, 12).to(memory_format=LAST)


@pytest.mark.parametrize(
    ("ours", "plain"),
    [
        (lambda x: cut_out(x, slice(2, 9), slice(1, 11)), lambda x: x[..., 2:9, 1:11]),
        (channel_mean, lambda x: x.mean(1, keepdim=True)),
        (channel_maximum, lambda x: x.amax(1, keepdim=True)),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_values_and_gradients_are_those_of_torch(ours, plain, dtype):
    torch.manual_seed(0)
    x = maps().to(dtype).requires_grad_()
    weight = torch.randn(2, 1, 10, 12).to(dtype)

    def gradient(f):
        seen = f(x)
        assert seen.shape[-1] in (10, 12)
        (seen * weight[..., : seen.shape[-2], : seen.shape[-1]]).sum().backward()
        made, x.grad = x.grad, None
        return seen.detach(), made

    (first, one), (second, two) = gradient(ours), gradient(plain)
    assert torch.equal(first, second)
    assert torch.equal(one, two) if dtype == torch.float32 else torch.allclose(one, two, atol=1e-2)
    assert one.is_contiguous(memory_format=LAST)
    with torch.no_grad():
        assert torch.equal(ours(x), first)


def test_equal_maxima_share_the_gradient():
    x = torch.tensor([1.0, 3.0, 3.0, -2.0, 3.0, 0.0]).view(1, 6, 1, 1).requires_grad_()
    channel_maximum(x).sum().backward()
    assert torch.allclose(x.grad.flatten(), torch.tensor([0, 1, 1, 0, 1, 0]) / 3)


def test_contiguous_maps_keep_their_layout_too():
    x = torch.randn(2, 4, 6, 6).requires_grad_()
    cut_out(x, slice(1, 5), slice(1, 5)).sum().backward()
    assert x.grad.is_contiguous() and float(x.grad.sum()) == 2 * 4 * 16


def test_a_box_learns_as_its_convolutions_one_by_one_would():
    torch.manual_seed(1)
    box, field = InceptionBox(16), torch.randn(2, 16, 9, 9)

    def apart(x: torch.Tensor) -> torch.Tensor:
        pooled = functional.max_pool2d(x, 3, stride=1, padding=1)
        branches = [
            box.point(x),
            box.conv3(functional.relu(box.reduce3(x))),
            box.conv5(functional.relu(box.reduce5(x))),
            box.pooled(pooled),
        ]
        return x + box.mix(functional.relu(torch.cat(branches, 1)))

    results = []
    for function in (box, apart):
        x = field.clone().requires_grad_()
        result = function(x)
        result.square().sum().backward()
        results.append((result.detach(), x.grad, *(p.grad for p in box.parameters())))
        box.zero_grad(set_to_none=True)
    for one, two in zip(*results, strict=True):
        assert torch.allclose(one, two, rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        assert torch.equal(box(field), apart(field))  # in use nothing changes


# They make a map of another layout, or take the sources as they come.
FREE = {torch.ops.aten.new_zeros, torch.ops.aten.permute, torch.ops.aten._to_copy}
FREE.add(torch.ops.aten.convolution_backward)


class MixedLayouts(TorchDispatchMode):
    """Notes operations between large maps of two memory layouts."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        held = [x for x in tree_flatten((args, made))[0] if isinstance(x, torch.Tensor)]
        layouts = {
            x.is_contiguous(memory_format=LAST)
            for x in held
            if x.dim() == 4 and x.shape[1] > 4 and x.shape[-1] > 4 and x.is_floating_point()
            if x.is_contiguous(memory_format=LAST) or x.is_contiguous()
        }
        if len(layouts) > 1 and func.overloadpacket not in FREE:
            self.seen.append(f"{func} {[tuple(x.shape) for x in held]}")
        return made


def test_no_gradient_of_a_channels_last_generator_changes_its_layout():
    torch.manual_seed(2)
    spec = NetworkSpec(
        8, {"target": 2}, {"base": 2, "elevation": 4}, widths=(16, 16, 16, 16), boxes=(1, 1, 1, 0)
    )
    generator = Generator(spec).to(memory_format=LAST)
    nn.init.normal_(generator.out.weight, std=0.1)
    size = 6 + 2 * generator.halo
    coarse = {"target": torch.randn(2, 2, size, size)}
    fine = {name: torch.randn(2, c, size * 8, size * 8) for name, c in spec.fine.items()}
    result = generator(coarse, fine)
    with MixedLayouts() as mixed:
        result.square().sum().backward()
    assert not mixed.seen, "\n".join(mixed.seen)


def test_the_check_sees_two_layouts():
    with MixedLayouts() as mixed:
        maps() + torch.randn(2, 8, 10, 12)
    assert len(mixed.seen) == 1
