"""Ensemble noise: normal, fixed to the grid, different for each member, and the same in every tile."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from torch import nn

from engine.errors import InputError
from engine.features.network_inputs import network_channels
from engine.fields.member_seed import SeedMix
from engine.fields.patch import Patch
from engine.nets import noise
from engine.nets.architectures import build_generator
from engine.nets.downscaler import Downscaler
from engine.nets.noise import Noise, level_noise
from engine.nets.spec import NetworkSpec
from engine.specs import SourceSpec, TargetSpec


def correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])


def test_numbers_are_standard_normal_and_independent():
    field = level_noise(1, 1, 0, 1, range(300), range(-150, 150), 3)
    assert field.shape == (3, 300, 300) and field.dtype == torch.float32
    assert float(field.mean()) == pytest.approx(0, abs=0.01)
    assert float(field.std()) == pytest.approx(1, abs=0.01)
    for level, share in ((1.0, 0.1587), (2.0, 0.02275), (3.0, 0.00135)):
        assert float((field > level).float().mean()) == pytest.approx(share, rel=0.2)
    assert abs(correlation(field[0], field[1])) < 0.015 and abs(correlation(field[0], field[2])) < 0.015
    for shifted in (field[:, 1:] * field[:, :-1], field[..., 1:] * field[..., :-1]):
        assert abs(float(shifted.mean())) < 0.01
    assert abs(float((field[:, 1:, 1:] * field[:, :-1, :-1]).mean())) < 0.01


def test_numbers_are_those_of_the_hash_that_is_described():
    """So that a seed gives the same members in every version: worked out here in NumPy's own arithmetic."""
    key = int.from_bytes(hashlib.blake2b(repr((11, 3, 2, 8, 1)).encode(), digest_size=8).digest(), "little")
    with np.errstate(over="ignore"):

        def scrambled(x):
            x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            return x ^ (x >> np.uint64(31))

        row, column = (np.arange(-2, 5).astype(np.int64).view(np.uint64) for _ in range(2))
        down = scrambled(row * np.uint64(0x9E3779B97F4A7C15) + np.uint64(key))
        bits = scrambled(down[:, None] + column * np.uint64(0xD1342543DE82EF95))
    radius = np.sqrt(-2 * np.log(((bits >> np.uint64(32)) + 0.5) / 2**32))
    angle = (bits & np.uint64(0xFFFFFFFF)) * (2 * np.pi / 2**32)
    drawn = level_noise(11, 3, 2, 8, range(-2, 5), range(-2, 5), 4)
    np.testing.assert_allclose(drawn[2], radius * np.cos(angle), atol=2e-6)
    np.testing.assert_allclose(drawn[3], radius * np.sin(angle), atol=2e-6)


def test_numbers_are_the_same_in_pieces(monkeypatch):
    place = 5, 2, 1, 4, range(-10, 30), range(100, 140), 3
    whole = level_noise(*place)
    for piece in (1, 500):
        monkeypatch.setattr(noise, "_PIECE", piece)
        assert torch.equal(level_noise(*place), whole)


def test_numbers_depend_on_place_member_seed_and_level_alone():
    whole = level_noise(5, 2, 1, 4, range(-10, 30), range(100, 140), 4)
    piece = level_noise(5, 2, 1, 4, range(3, 9), range(117, 119), 4)
    assert torch.equal(piece, whole[:, 13:19, 17:19])
    assert torch.equal(level_noise(5, 2, 1, 4, range(-10, 30), range(100, 140), 1), whole[:1])
    others = [(6, 2, 1, 4), (5, 3, 1, 4), (5, 2, 2, 4), (5, 2, 1, 8), (2, 5, 1, 4)]
    for other in others:
        assert abs(correlation(level_noise(*other, range(-10, 30), range(100, 140), 4), whole)) < 0.06


def small_downscaler(factor: int = 4, noise: int = 3, **more) -> Downscaler:
    target = TargetSpec("rain", "mm", "log1p", bounds=(0.0, None), conservation="multiplicative")
    sources = (SourceSpec("elevation", "m", "fine"),)
    coarse, fine = network_channels(sources)
    torch.manual_seed(0)
    model = Downscaler(target, sources, NetworkSpec(factor, coarse, fine, noise=noise, **more)).eval()
    for name, parameter in model.named_parameters():
        if "amplitude" in name or "out." in name:
            nn.init.normal_(parameter, std=0.3)
    return model


def window(whole: Patch, row: int, column: int, size: tuple[int, int], halo: int) -> Patch:
    """Cut a tile with its halo from a field that has the same halo around."""
    k, rows, columns = whole.factor, size[0] + 2 * halo, size[1] + 2 * halo
    fine = whole.fine["elevation"][..., row * k : (row + rows) * k, column * k : (column + columns) * k]
    origin = whole.origin + torch.tensor([[row, column]])
    target = whole.target[:, row : row + rows, column : column + columns]
    return Patch(k, halo, target, fine={"elevation": fine}, origin=origin)


def whole_patch(model: Downscaler, rows: int, columns: int) -> Patch:
    random, k = torch.Generator().manual_seed(3), model.generator.spec.factor
    size = (1, rows + 2 * model.halo, columns + 2 * model.halo)
    fine = torch.rand(1, 1, size[1] * k, size[2] * k, generator=random)
    target = 20 * torch.rand(size, generator=random)
    return Patch(k, model.halo, target, fine={"elevation": fine}, origin=torch.tensor([[7, -3]]))


@pytest.mark.parametrize("factor", [4, 6])
def test_tiles_equal_the_whole_member_by_member(factor):
    model = small_downscaler(factor)
    patch = whole_patch(model, 5, 6)
    with torch.no_grad():
        fields = [model.forward_physical(patch, seed=9, member=m) for m in range(3)]
        for member, whole in enumerate(fields):
            for row, column, size in ((0, 0, (2, 3)), (3, 2, (2, 4)), (4, 5, (1, 1))):
                part = model.forward_physical(window(patch, row, column, size, model.halo), 9, member)
                k = factor
                expected = whole[:, row * k : (row + size[0]) * k, column * k : (column + size[1]) * k]
                assert torch.allclose(part, expected, rtol=1e-4, atol=1e-4)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert float((fields[a] - fields[b]).abs().mean()) > 0.1


def test_members_of_a_batch_are_those_drawn_alone():
    model = small_downscaler()
    patch = whole_patch(model, 2, 3)
    inputs = model.prepare(patch)
    with torch.no_grad():
        stacked = type(inputs)(
            {n: x.repeat(3, 1, 1, 1) for n, x in inputs.coarse.items()},
            {n: x.repeat(3, 1, 1, 1) for n, x in inputs.fine.items()},
            None,
            inputs.base.repeat(3, 1, 1),
            inputs.origin.repeat(3, 1),
        )
        together = model(stacked, seed=4, member=(0, 1, 5))
        for index, member in enumerate((0, 1, 5)):
            assert torch.allclose(together[index], model(inputs, 4, member)[0], atol=1e-5)
        assert torch.equal(model(inputs), model(inputs, 4, 0))
        assert float((model(inputs, 5, 1) - model(inputs, 4, 1)).abs().mean()) > 0.01


def test_new_noise_weights_add_nothing_but_learn():
    spec = NetworkSpec(4, {"target": 2}, {"base": 2}, noise=2)
    torch.manual_seed(0)
    generator = build_generator(spec)
    nn.init.normal_(generator.out.weight, std=0.1)
    size = 2 + 2 * generator.halo
    coarse, fine = {"target": torch.randn(1, 2, size, size)}, {"base": torch.randn(1, 2, 4 * size, 4 * size)}
    noise = Noise(0, (1,), torch.zeros(1, 2, dtype=torch.int64))
    first = generator(coarse, fine, noise=noise)
    assert torch.equal(first, generator(coarse, fine))
    first.square().sum().backward()
    for level in generator.levels:
        assert level.noise.amplitude.weight.grad.abs().max() > 0


def test_the_gain_scales_the_noise_and_nothing_else():
    plain, louder = small_downscaler(), small_downscaler(noise_gain=2.0)
    louder.load_state_dict(plain.state_dict())
    patch = whole_patch(plain, 3, 3)
    with torch.no_grad():
        assert torch.equal(plain.forward_physical(patch), louder.forward_physical(patch))
        spread = [
            torch.stack([m.forward(m.prepare(patch), 1, n) for n in range(1, 9)]).std(0).mean()
            for m in (plain, louder)
        ]
    assert float(spread[1] / spread[0]) > 1.5


def test_a_wrong_request_for_members_is_refused():
    model = small_downscaler(noise=0)
    patch = whole_patch(model, 1, 1)
    assert not model.ensemble
    with pytest.raises(InputError, match="no noise input"):
        model.forward_physical(patch, member=1)
    model = small_downscaler()
    patch.origin = None
    with pytest.raises(InputError, match="where it lies"):
        model.forward_physical(patch, member=1)
    assert model.forward_physical(patch).shape == (1, 4, 4)
    with pytest.raises(InputError, match="origins"):
        Noise(0, (1, 2), torch.zeros(1, 2, dtype=torch.int64))


def test_mixed_seeds_change_little_by_little_and_stay_normal():
    """By knots 10 days apart: the nearer two days, the liker their noise; none is alike beyond 20 days."""
    origin = torch.tensor([[-3, 4]])

    def drawn(day: float, seed: int = 7) -> torch.Tensor:
        noise = Noise(SeedMix.at(seed, day, 10.0), (1,), origin)
        return noise.at(0, 4, (60, 60), 2, 2)

    first = drawn(735_003.0)
    assert float(first.std()) == pytest.approx(1, abs=0.01)
    assert torch.equal(first, drawn(735_003.0))
    likeness = [correlation(first, drawn(735_003.0 + days)) for days in (0.1, 2, 5, 10, 20, 400)]
    assert likeness[0] > 0.999 and likeness[1] > 0.9
    assert all(near > far + 0.02 for near, far in zip(likeness[:4], likeness[1:4], strict=False))
    assert abs(likeness[4]) < 0.03 and abs(likeness[5]) < 0.03
    assert abs(correlation(first, drawn(735_003.0, 8))) < 0.03
    # At a knot it is the knot's noise alone.
    knot = SeedMix.at(7, 20.0, 10.0)
    assert knot.weights == (1.0, 0.0)
    assert torch.equal(drawn(20.0), Noise(knot.seeds[0], (1,), origin).at(0, 4, (60, 60), 2, 2))
