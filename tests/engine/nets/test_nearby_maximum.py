"""The maximum around each pixel, with a gradient and without."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from engine.nets.inception import nearby_maximum


@pytest.mark.parametrize("shape", [(2, 4, 7, 9), (1, 8, 2, 5), (1, 3, 1, 1)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_equals_pooling(shape: tuple[int, ...], layout: torch.memory_format, dtype: torch.dtype) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(dtype).to(memory_format=layout)
    before = x.clone()
    with torch.inference_mode():
        assert torch.equal(nearby_maximum(x), functional.max_pool2d(x, 3, stride=1, padding=1))
    assert torch.equal(x, before)


def test_missing_values_spread_as_in_pooling() -> None:
    x = torch.zeros(1, 4, 5, 5)
    x[0, 0, 2, 2] = torch.nan
    assert torch.equal(torch.isnan(nearby_maximum(x)), torch.isnan(functional.max_pool2d(x, 3, 1, 1)))


def test_gradient_is_that_of_pooling() -> None:
    values = torch.randn(1, 4, 6, 6, generator=torch.Generator().manual_seed(2))
    gradients = []
    for function in (nearby_maximum, lambda x: functional.max_pool2d(x, 3, 1, 1)):
        x = values.clone().requires_grad_()
        function(x).square().sum().backward()
        gradients.append(x.grad)
    assert torch.equal(gradients[0], gradients[1])
