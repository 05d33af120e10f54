"""The local regression with learned coefficients: linear in the ground, tiles equal the whole."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from engine.errors import InputError
from engine.nets.architectures import build_generator
from engine.nets.pointwise import Pointwise
from engine.nets.spec import NetworkSpec


def make_spec(factor: int = 3, **more) -> NetworkSpec:
    fine = {"base": 2, "elevation": 2, "cover": 3}
    return NetworkSpec(factor, {"target": 2, "warmth": 2}, fine, kind="pointwise", season=True, **more)


def make_network(factor: int = 3) -> Pointwise:
    torch.manual_seed(0)
    network = build_generator(make_spec(factor))
    for layer in network.coefficients.values():
        nn.init.normal_(layer.weight)
        nn.init.normal_(layer.bias)
    return network.eval()


def make_inputs(factor: int, rows: int = 6, columns: int = 7):
    random = torch.Generator().manual_seed(1)

    def field(channels: int, scale: int) -> torch.Tensor:
        return torch.randn(1, channels, rows * scale, columns * scale, generator=random)

    spec = make_spec(factor)
    coarse = {name: field(channels, 1) for name, channels in spec.coarse.items()}
    fine = {name: field(channels, factor) for name, channels in spec.fine.items()}
    return coarse, fine, torch.tensor([[0.6, 0.8]])


@pytest.mark.parametrize("factor", [2, 3])
@torch.no_grad()
def test_tiles_equal_the_whole(factor: int) -> None:
    network = make_network(factor)
    coarse, fine, vector = make_inputs(factor)
    whole = network(coarse, fine, vector)
    assert whole.shape == (1, 1, 4 * factor, 5 * factor) and float(whole.std()) > 0.1
    tile = network(
        {n: x[..., 1:5, 2:6] for n, x in coarse.items()},
        {n: x[..., factor : 5 * factor, 2 * factor : 6 * factor] for n, x in fine.items()},
        vector,
    )
    torch.testing.assert_close(tile, whole[..., factor : 3 * factor, 2 * factor : 4 * factor])


@torch.no_grad()
def test_it_is_linear_in_the_ground_and_blind_to_the_base_and_to_masks() -> None:
    network = make_network()
    coarse, fine, vector = make_inputs(3)
    one = network(coarse, fine, vector)
    double = {name: torch.cat([2 * x[:, :-1], x[:, -1:]], 1) for name, x in fine.items()}
    torch.testing.assert_close(network(coarse, double, vector), 2 * one)
    other = {**fine, "base": fine["base"] * 5}
    other["cover"] = torch.cat([fine["cover"][:, :-1], 1 - fine["cover"][:, -1:]], 1)
    torch.testing.assert_close(network(coarse, other, vector), one)
    flat = {name: torch.zeros_like(x) for name, x in fine.items()}
    assert not network(coarse, flat, vector).any() and not network(coarse, {}, vector).any()
    apart = sum(network(coarse, {name: fine[name]}, vector) for name in ("elevation", "cover"))
    torch.testing.assert_close(apart, one)
    assert not torch.allclose(network({"target": coarse["target"]}, fine, vector), one)


def test_a_new_network_returns_zero_and_learns() -> None:
    network = build_generator(make_spec())
    coarse, fine, vector = make_inputs(3)
    result = network(coarse, fine, vector)
    assert not result.any()
    (result - 1).square().mean().backward()
    assert all(bool(layer.weight.grad.any()) for layer in network.coefficients.values())
    network(coarse, {}, vector).sum().backward()  # a step may go without any fine source


def test_parameters_do_not_depend_on_the_factor() -> None:
    shapes = [{n: p.shape for n, p in make_network(k).named_parameters()} for k in (2, 3)]
    assert shapes[0] == shapes[1]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="noise"):
        build_generator(make_spec(noise=2))
    with pytest.raises(InputError, match="fine source"):
        build_generator(NetworkSpec(2, {"target": 2}, {"base": 2}, kind="pointwise"))
