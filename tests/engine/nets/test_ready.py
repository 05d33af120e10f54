"""Members whose sources are encoded once are, to the last bit, those drawn one by one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from engine.features.network_inputs import NetworkInputs
from engine.fields.member_seed import SeedMix
from engine.nets.architectures import build_generator
from engine.nets.downscaler import Downscaler
from engine.nets.flow_spec import FlowSpec
from engine.nets.noise import Noise
from engine.nets.spec import NetworkSpec
from engine.specs import SourceSpec, SpreadSpec, TargetSpec

FLOW = FlowSpec(steps=2)


def inputs_for(generator, fine=True) -> NetworkInputs:
    spec, random = generator.spec, torch.Generator().manual_seed(4)
    size = 3 + 2 * generator.halo

    def channels(count: int, edge: int) -> torch.Tensor:
        field = torch.randn(1, count, edge, edge, generator=random)
        field[:, -1] = 1
        return field

    base = torch.randn(1, 3 * spec.factor, 3 * spec.factor, generator=random)
    return NetworkInputs(
        {name: channels(count, size) for name, count in spec.coarse.items()},
        {name: channels(c, size * spec.factor) for name, c in spec.fine.items()} if fine else {},
        torch.randn(1, 2, generator=random) if spec.season else None,
        base,
        torch.tensor([[5, -2]]),
    )


def weighted(module: nn.Module) -> nn.Module:
    """Draw the weights that a new network has zero."""
    torch.manual_seed(1)
    for name, parameter in module.named_parameters():
        if "amplitude" in name or "out." in name:
            nn.init.normal_(parameter, std=0.3)
    return module.eval().requires_grad_(False)


@pytest.mark.parametrize("fine", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sources_are_encoded_once_for_all_members(fine, layout, dtype):
    spec = NetworkSpec(6, {"target": 2, "wind": 2}, {"base": 2, "elevation": 4}, season=True, noise=3)
    generator = weighted(build_generator(spec)).to(dtype=dtype, memory_format=layout)
    inputs = inputs_for(generator, fine)
    before = {name: x.clone() for name, x in {**inputs.coarse, **inputs.fine}.items()}
    sources = inputs.coarse, inputs.fine, inputs.vector
    with torch.inference_mode():
        ready = generator.ready(*sources)
        for member in (2, 1, 0, 2):
            noise = Noise(7, (member,), inputs.origin) if member else None
            assert torch.equal(ready(noise), generator(*sources, noise))
        assert not torch.equal(ready(Noise(7, (1,), inputs.origin)), ready(Noise(7, (2,), inputs.origin)))
    for name, x in {**inputs.coarse, **inputs.fine}.items():
        assert torch.equal(x, before[name])


@pytest.mark.parametrize(
    ("noise", "flow", "factor"), [(2, None, 1.0), (2, None, 0.5), (1, FLOW, 1.0), (1, FLOW, 1.5)]
)
def test_members_of_a_model_are_those_drawn_one_by_one(noise, flow, factor):
    target = TargetSpec("rain", "mm", "log1p", bounds=(0.0, None), conservation="multiplicative")
    sources = (SourceSpec("elevation", "m", "fine"),)
    spec = NetworkSpec(4, {"target": 2}, {"base": 2, "elevation": 2}, noise=noise, flow=flow)
    spread = SpreadSpec(((frozenset({"elevation"}), factor),))
    model = weighted(Downscaler(target, sources, spec, spread=spread))
    inputs = inputs_for(model.generator)
    mixed = SeedMix((3, 4), (0.6, 0.8))
    with torch.inference_mode():
        draw = model.ready(inputs)
        for seed, member in ((3, 1), (mixed, 2), (3, 0), (3, 1)):
            assert torch.equal(draw(seed, member), model(inputs, seed, member))
        assert not torch.equal(draw(3, 1), draw(3, 2))
