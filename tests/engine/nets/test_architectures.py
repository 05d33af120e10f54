"""The networks that the generator is compared with: tiles equal the whole, and the description's numbers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from engine.errors import InputError
from engine.fields.patch import Patch
from engine.nets import encodedgan
from engine.nets.architectures import ARCHITECTURES, build_generator
from engine.nets.downscaler import Downscaler
from engine.nets.encodedgan import EncodedGenerator
from engine.nets.generator import Generator
from engine.nets.noise import Noise
from engine.nets.spec import NetworkSpec
from engine.nets.unet import UNet
from engine.specs import SourceSpec, TargetSpec

CASES = [("unet", 2), ("unet", 5), ("unet", 8), ("unet", 12), ("encodedgan", 4), ("encodedgan", 8)]


def make_spec(kind: str, factor: int, **more) -> NetworkSpec:
    fine = {"base": 2, "elevation": 3}
    return NetworkSpec(factor, {"target": 2, "temperature": 2}, fine, kind=kind, **more)


def make_network(kind: str, factor: int, **more) -> nn.Module:
    """Return a network of random weights and running statistics, its last layer not zero."""
    torch.manual_seed(0)
    network = build_generator(make_spec(kind, factor, **more))
    nn.init.normal_(network.out.weight, std=0.1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return network.eval()


def make_inputs(spec: NetworkSpec, rows: int, columns: int):
    """Return random sources; rows and columns in coarse cells, halo included."""
    random = torch.Generator().manual_seed(1)

    def field(channels: int, scale: int) -> torch.Tensor:
        return torch.randn(1, channels, rows * scale, columns * scale, generator=random)

    coarse = {name: field(channels, 1) for name, channels in spec.coarse.items()}
    return coarse, {name: field(channels, spec.factor) for name, channels in spec.fine.items()}


@pytest.mark.parametrize(("kind", "factor"), CASES)
def test_tiles_equal_the_whole(kind, factor):
    network = make_network(kind, factor)
    halo, k = network.halo, factor
    coarse, fine = make_inputs(network.spec, 4 + 2 * halo, 3 + 2 * halo)
    with torch.no_grad():
        whole = network(coarse, fine)
        assert whole.shape == (1, 1, 4 * k, 3 * k) and whole.dtype == torch.float32
        assert whole.std() > 1e-3
        for top, left, h, w in ((0, 0, 3, 2), (1, 1, 3, 2), (2, 2, 1, 1)):
            area = (slice(top, top + h + 2 * halo), slice(left, left + w + 2 * halo))
            scaled = tuple(slice(s.start * k, s.stop * k) for s in area)
            tile = network(
                {n: x[(..., *area)] for n, x in coarse.items()},
                {n: x[(..., *scaled)] for n, x in fine.items()},
            )
            expected = whole[..., top * k : (top + h) * k, left * k : (left + w) * k]
            assert (tile - expected).abs().max() <= 1e-5


@pytest.mark.parametrize(("kind", "factor", "most"), [("unet", 8, 8), ("unet", 32, 9), ("encodedgan", 4, 29)])
def test_halo_is_bounded_and_used(kind, factor, most):
    network = make_network(kind, factor)
    assert network.halo <= most
    if factor > 8:
        return
    size = 1 + 2 * network.halo
    coarse, fine = make_inputs(network.spec, size, size)
    coarse["target"].requires_grad_(True)
    network(coarse, fine).abs().sum().backward()
    reached = coarse["target"].grad.abs().sum((0, 1, 3)).nonzero().flatten()
    assert int(reached.min()) <= 1 and int(reached.max()) >= size - 2


@pytest.mark.parametrize(("kind", "factor"), [("unet", 4), ("encodedgan", 4)])
def test_absent_sources_are_zeros_and_wrong_ones_are_named(kind, factor):
    network = make_network(kind, factor)
    size = 1 + 2 * network.halo
    coarse, fine = make_inputs(network.spec, size, size)
    with torch.no_grad():
        zeros = network(
            {"target": coarse["target"], "temperature": torch.zeros_like(coarse["temperature"])},
            {"base": fine["base"], "elevation": torch.zeros_like(fine["elevation"])},
        )
        absent = network({"target": coarse["target"]}, {"base": fine["base"]})
        assert torch.equal(zeros, absent)
        assert (network(coarse, fine) - absent).abs().max() > 1e-4
    with pytest.raises(InputError, match="humidity"):
        network({**coarse, "humidity": coarse["target"]}, fine)
    with pytest.raises(InputError, match="halo"):
        network({n: x[..., 2:, :] for n, x in coarse.items()}, {})
    with pytest.raises(InputError, match="noise"):
        network(coarse, fine, noise=Noise(0, (1,), torch.zeros(1, 2, dtype=torch.int64)))


def test_unet_starts_at_its_base_and_looks_at_the_season():
    spec = make_spec("unet", 4, season=True)
    network = build_generator(spec).eval()
    size = 2 + 2 * network.halo
    coarse, fine = make_inputs(spec, size, size)
    with torch.no_grad():
        assert not network(coarse, fine).any()
        nn.init.normal_(network.out.weight)
        summer, winter = (network(coarse, fine, torch.tensor([[0.0, side]])) for side in (1.0, -1.0))
    assert (summer - winter).abs().max() > 1e-4


def test_unet_pools_by_the_primes_and_joins_what_it_pooled():
    network = UNet(make_spec("unet", 20, widths=(32, 16, 12, 8)))
    assert [block.first.in_channels for block in network.down] == [9, 8, 12, 16]
    assert [block.first.in_channels for block in network.up] == [32 + 16, 16 + 12, 12 + 8]


def test_encodedgan_is_what_its_description_says():
    network = EncodedGenerator(make_spec("encodedgan", 4))
    assert network.whole_field and not Generator.whole_field
    for name, variable in network.variables.items():
        assert variable[0].kernel_size == (1, 1), name
        assert isinstance(variable[1], nn.BatchNorm2d)
        assert variable[2].negative_slope == 0.01
        assert [box.point.out_channels * 4 for box in variable[3:]] == [8, 8, 8, 8]
    assert set(network.variables) == {"target", "temperature"}
    assert [[box.point.out_channels * 4 for box in s.boxes] for s in network.stages] == [
        [256] * 4,
        [128] * 4,
        [64] * 4,
    ]
    assert network.stages[0].boxes[0].point.in_channels == 2 * 8
    assert [layer.stride for layer in network.enlarge] == [(2, 2), (2, 2)]
    assert all(isinstance(layer, nn.ConvTranspose2d) for layer in network.enlarge)
    convolutions = [layer for layer in network.elevation if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [4, 8]
    assert network.stages[2].boxes[0].point.in_channels == 64 + 8
    assert convolutions[0].in_channels == 3  # the elevation's, not the base's


def test_encodedgan_ignores_the_base_and_starts_alive():
    torch.manual_seed(0)
    network = EncodedGenerator(make_spec("encodedgan", 4)).eval()
    size = 4 + 2 * network.halo
    coarse, fine = make_inputs(network.spec, size, size)
    with torch.no_grad():
        first = network(coarse, fine)
        again = network(coarse, {**fine, "base": fine["base"] + 1})
    assert torch.equal(first, again)
    assert first.std() > 1e-3


def test_encodedgan_refuses_what_it_cannot():
    with pytest.raises(InputError, match="multiple"):
        EncodedGenerator(make_spec("encodedgan", 10))
    for key, value in (("noise", 4), ("season", True)):
        with pytest.raises(InputError, match=key):
            EncodedGenerator(make_spec("encodedgan", 4, **{key: value}))
    with pytest.raises(InputError, match="noise"):
        UNet(make_spec("unet", 4, noise=4))


def test_every_kind_has_a_name_and_an_unknown_one_is_named():
    assert set(ARCHITECTURES) == {"inception", "unet", "encodedgan", "pointwise", "perceptron"}
    assert encodedgan.WIDTHS == (256, 128, 64)
    with pytest.raises(InputError, match="transformer"):
        build_generator(make_spec("transformer", 4))


def test_memory_is_guessed_from_what_a_network_holds():
    generator = build_generator(make_spec("inception", 4, widths=(64, 48, 16)))
    assert generator.widest == 16  # on the fine grid; 48 / 4 and 64 / 16 above
    assert build_generator(make_spec("unet", 4, widths=(64, 48, 16))).widest == 16 + 4 + 5
    assert build_generator(make_spec("encodedgan", 4)).widest == 64 + 8


def test_downscaler_takes_a_whole_field_as_it_is():
    target = TargetSpec("rain", "mm", conservation="multiplicative", bounds=(0.0, None), mean=2.0, std=3.0)
    sources = (SourceSpec("elevation", "m", "fine"),)
    spec = NetworkSpec(4, {"target": 2}, {"base": 2, "elevation": 2}, kind="encodedgan")
    torch.manual_seed(0)
    model = Downscaler(target, sources, spec).eval()
    size = 2 + 2 * model.halo
    coarse = torch.rand(1, size, size) * 10
    coarse[0, size // 2, size // 2] = torch.nan
    elevation = torch.randn(1, 1, size * 4, size * 4)
    patch = Patch(4, model.halo, coarse, fine={"elevation": elevation})
    with torch.no_grad():
        inputs = model.prepare(patch)
        bare = model.generator(inputs.coarse, inputs.fine).squeeze(1)
        field = model.forward_physical(patch)
    known = torch.isfinite(inputs.base)
    assert 0 < int((~known).sum()) == 16
    assert torch.equal(torch.isfinite(field), known)
    assert torch.allclose(field[known], (bare[known] * 3 + 2).clamp_min(0), atol=1e-5)
