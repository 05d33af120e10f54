"""The perceptron of one cell's own features: tiles equal the whole, it bends, and it forgets by chance."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from engine.errors import InputError
from engine.nets.architectures import build_generator
from engine.nets.perceptron import Perceptron
from engine.nets.spec import NetworkSpec


def make_spec(factor: int = 3, **more) -> NetworkSpec:
    fine = {"base": 2, "elevation": 4}
    return NetworkSpec(factor, {"target": 2, "warmth": 3}, fine, kind="perceptron", season=True, **more)


def make_network(factor: int = 3, **more) -> Perceptron:
    torch.manual_seed(0)
    network = build_generator(make_spec(factor, **more))
    nn.init.normal_(network.out.weight)
    return network.eval()


def make_inputs(factor: int = 3, rows: int = 6, columns: int = 7):
    random = torch.Generator().manual_seed(1)

    def field(channels: int, scale: int) -> torch.Tensor:
        values = torch.randn(1, channels, rows * scale, columns * scale, generator=random)
        values[:, -1] = 1
        return values

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
def test_a_cell_sees_itself_and_the_coarse_cells_around() -> None:
    network = make_network()
    coarse, fine, vector = make_inputs()
    whole = network(coarse, fine, vector)
    other = {name: x.clone() for name, x in fine.items()}
    other["elevation"][..., :-1, 7, 9] += 1  # row 4 and column 6 of the inner window
    changed = (network(coarse, other, vector) != whole).squeeze().nonzero().tolist()
    assert changed == [[4, 6]]
    around = {name: x.clone() for name, x in coarse.items()}
    around["target"][..., 0, 2, 3] += 1
    rows = (network(around, fine, vector) != whole).squeeze().any(1).nonzero().flatten().tolist()
    assert rows == list(range(9)), "three coarse cells of three rows each"


@torch.no_grad()
def test_a_missing_neighbour_has_nothing_more() -> None:
    network = make_network()
    coarse, fine, vector = make_inputs()
    coarse["target"][..., 2, 3] = 0  # value and mask
    gone = {**coarse, "target": coarse["target"].clone()}
    gone["target"][:, :1, 2, 3] = 5  # a value without its mask
    network.between["target"].weight.zero_()
    network.around["target"].weight[:, :2].zero_()
    assert torch.equal(network(coarse, fine, vector), network(gone, fine, vector))


@torch.no_grad()
def test_absent_sources_are_zeros() -> None:
    network = make_network()
    coarse, fine, vector = make_inputs()
    for layer in (network.fine["elevation"], network.around["warmth"], network.between["warmth"]):
        layer.bias.zero_()
    absent = network({"target": coarse["target"]}, {"base": fine["base"]}, vector)
    zeros = {"warmth": torch.zeros_like(coarse["warmth"]), "target": coarse["target"]}
    flat = {"base": fine["base"], "elevation": torch.zeros_like(fine["elevation"])}
    torch.testing.assert_close(network(zeros, flat, vector), absent)
    assert (network(coarse, fine, vector) - absent).abs().max() > 0.01
    assert network({"target": coarse["target"]}, {}, vector).shape == absent.shape


def test_a_new_network_returns_zero_and_learns_a_product() -> None:
    """What a network linear in the ground cannot: the sign of one covariate times another."""
    torch.manual_seed(0)
    network = build_generator(make_spec(options={"dropout": 0.0}, widths=(32, 8)))
    coarse, fine, vector = make_inputs(rows=10, columns=10)
    assert not network(coarse, fine, vector).any()
    wanted = (fine["elevation"][:, :1] * fine["elevation"][:, 1:2])[..., 3:-3, 3:-3]
    optimiser = torch.optim.Adam(network.parameters(), 0.02)
    for _ in range(150):
        optimiser.zero_grad()
        loss = (network(coarse, fine, vector) - wanted).square().mean()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.2 * float(wanted.square().mean())


@torch.no_grad()
def test_units_drop_out_in_training_alone() -> None:
    network = make_network(options={"dropout": 0.5, "layers": 3})
    given = make_inputs()
    assert torch.equal(network(*given), network(*given))
    network.train()
    assert not torch.equal(network(*given), network(*given))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"noise": 2}, "noise"),
        ({"options": {"dropout": 1}}, "dropout"),
        ({"options": {"layers": 0}}, "layers"),
        ({"options": {"depth": 2}}, "no option depth"),
    ],
)
def test_what_does_not_fit_is_refused(more, words) -> None:
    with pytest.raises(InputError, match=words):
        build_generator(make_spec(**more))
