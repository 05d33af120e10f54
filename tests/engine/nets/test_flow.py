"""A flow's members: noise of the right size at first, the same in every tile, the one estimate untouched."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from engine.errors import InputError
from engine.features.network_inputs import network_channels
from engine.fields.member_seed import SeedMix
from engine.fields.patch import Patch
from engine.nets.downscaler import Downscaler
from engine.nets.flow import FlowGenerator
from engine.nets.flow_spec import FlowSpec
from engine.nets.spec import NetworkSpec
from engine.specs import BaseSpec, SourceSpec, SpreadSpec, TargetSpec

WIDTHS = (8, 8, 8)


def flowing(steps: int = 2, trained: bool = True, residual: float = 1.0, **more) -> Downscaler:
    target = TargetSpec("rain", "mm", "log1p", bounds=(0.0, None), conservation="multiplicative")
    sources = (SourceSpec("elevation", "m", "fine"),)
    coarse, fine = network_channels(sources)
    torch.manual_seed(0)
    flow = FlowSpec(steps, 0.3, WIDTHS)
    spec = NetworkSpec(4, coarse, fine, noise=1, flow=flow, widths=WIDTHS, **more)
    model = Downscaler(target, sources, spec, BaseSpec(residual=residual)).eval()
    for name, parameter in model.named_parameters():
        if trained and "out." in name:
            nn.init.normal_(parameter, std=0.1)
    return model


def patch_of(model: Downscaler, rows: int, columns: int) -> Patch:
    random = torch.Generator().manual_seed(3)
    high, wide = rows + 2 * model.halo, columns + 2 * model.halo
    fine = torch.rand(1, 1, high * 4, wide * 4, generator=random)
    target = 20 * torch.rand(1, high, wide, generator=random)
    target[:, model.halo + 1, model.halo + 2] = math.nan
    return Patch(4, model.halo, target, fine={"elevation": fine}, origin=torch.tensor([[7, -3]]))


def test_a_new_flow_draws_noise_of_the_residuals_scale():
    model = flowing(trained=False, noise_gain=2.0)
    patch = patch_of(model, 12, 12)
    with torch.no_grad():
        inputs = model.prepare(patch)
        one, drawn = model(inputs), [model(inputs, 5, member) for member in (1, 2)]
    missing = torch.isnan(one)
    assert missing.sum() == 16 and all(torch.equal(torch.isnan(each), missing) for each in drawn)
    first, second = ((each - one)[~missing] for each in drawn)
    assert float(first.std()) == pytest.approx(2 * 0.3, rel=0.05)
    assert abs(float(torch.corrcoef(torch.stack([first, second]))[0, 1])) < 0.06


@pytest.mark.parametrize("steps", [1, 3])
def test_tiles_equal_the_whole_member_by_member(steps):
    model = flowing(steps)
    patch = patch_of(model, 5, 6)
    with torch.no_grad():
        fields = [model.forward_physical(patch, 9, member) for member in range(3)]
        for member, whole in enumerate(fields):
            for row, column, rows, columns in ((0, 0, 2, 3), (3, 2, 2, 4), (4, 5, 1, 1)):
                high, wide = rows + 2 * model.halo, columns + 2 * model.halo
                tile = Patch(
                    4,
                    model.halo,
                    patch.target[:, row : row + high, column : column + wide],
                    fine={
                        "elevation": patch.fine["elevation"][
                            ..., row * 4 : (row + high) * 4, column * 4 : (column + wide) * 4
                        ]
                    },
                    origin=patch.origin + torch.tensor([[row, column]]),
                )
                part = model.forward_physical(tile, 9, member)
                wanted = whole[:, row * 4 : (row + rows) * 4, column * 4 : (column + columns) * 4]
                assert torch.allclose(part, wanted, rtol=1e-4, atol=1e-4, equal_nan=True)
    assert float((fields[1] - fields[2]).abs().nanmean()) > 0.1


def test_each_step_looks_further():
    halos = [flowing(steps, attention=False, inception=False).generator.halo for steps in (3, 4, 5)]
    reach = flowing().generator.velocity.halo
    assert halos == [3 * reach, 4 * reach, 5 * reach]


def test_the_one_estimate_is_that_of_the_network_without_a_flow():
    model = flowing(residual=0.5)
    spec = NetworkSpec(4, dict(model.generator.spec.coarse), dict(model.generator.spec.fine), widths=WIDTHS)
    plain = Downscaler(model.target, model.sources, spec, model.base_spec).eval()
    plain.generator.load_state_dict(model.generator.estimate.state_dict())
    patch = patch_of(model, 3, 3)
    with torch.no_grad():
        wanted = plain.forward_physical(patch)
        assert torch.allclose(model.forward_physical(patch), wanted, equal_nan=True)
        inputs = model.prepare(patch)
        twice = type(inputs)(
            {name: x.repeat(2, 1, 1, 1) for name, x in inputs.coarse.items()},
            {name: x.repeat(2, 1, 1, 1) for name, x in inputs.fine.items()},
            None,
            inputs.base.repeat(2, 1, 1),
            inputs.origin.repeat(2, 1),
        )
        both = model(twice, 4, (0, 3))
        assert torch.allclose(both[:1], model(inputs), atol=1e-5, equal_nan=True)
        assert torch.allclose(both[1:], model(inputs, 4, 3), atol=1e-5, equal_nan=True)
        # The share of the estimate's residual is none of the members' own.
        whole = flowing(residual=1.0)
        gap = [model(inputs, 4, 1) - model(inputs), whole(inputs, 4, 1) - whole(inputs)]
        assert torch.allclose(*gap, atol=1e-5, equal_nan=True)


def test_the_card_keeps_the_flow():
    spec = flowing(trained=False).generator.spec
    assert NetworkSpec.from_json(spec.to_json()) == spec
    assert "flow" not in NetworkSpec(4, {"target": 2}, {"base": 2}).to_json()
    assert isinstance(flowing().generator, FlowGenerator)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": 0}, "flow.steps"),
        ({"steps": 2.0}, "flow.steps"),
        ({"scale": 0.0}, "flow.scale"),
        ({"widths": [8, 8]}, "flow.widths"),
        ({"stride": 1}, "stride"),
    ],
)
def test_a_wrong_flow_is_refused(change, words):
    raw = {"factor": 4, "coarse": {"target": 2}, "fine": {"base": 2}, "noise": 1}
    with pytest.raises(InputError, match=words):
        NetworkSpec.from_json({**raw, "flow": {"steps": 2, "scale": 1.0, **change}})
    with pytest.raises(InputError, match=r"network\.noise"):
        NetworkSpec.from_json({**raw, "noise": 0, "flow": {"steps": 2, "scale": 1.0}})
    with pytest.raises(InputError, match=r"network\.flow"):
        NetworkSpec.from_json({**raw, "flow": 3})


def test_members_are_widened_and_change_with_time_as_those_of_noise():
    model = flowing()
    patch = patch_of(model, 8, 8)
    with torch.no_grad():
        inputs = model.prepare(patch)
        estimate = model(inputs)
        known = torch.isfinite(estimate)

        def apart(day: float) -> torch.Tensor:
            return (model(inputs, SeedMix.at(5, day, 10.0), 1) - estimate)[known]

        first, next_day, month = apart(735_003.0), apart(735_004.0), apart(735_040.0)
        model.spread = SpreadSpec(((frozenset(["elevation"]), 1.5),))
        torch.testing.assert_close(apart(735_003.0), 1.5 * first, atol=1e-5, rtol=1e-4)

    def likeness(other: torch.Tensor) -> float:
        return float(torch.corrcoef(torch.stack([first, other]))[0, 1])

    assert likeness(next_day) > 0.9 and abs(likeness(month)) < 0.12
