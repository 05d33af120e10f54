"""The domain: fine cells outside of it get no value, and have no part in any coarse mean."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from engine.disaggregation.base_field import BASE_HALO, base_field
from engine.features.network_inputs import network_channels
from engine.fields.conservation import aggregate
from engine.fields.domain import conserved, within
from engine.fields.patch import Patch
from engine.fields.windows import crop, narrowed, spread_cells
from engine.methods.blended_base import BlendedBase
from engine.methods.registry import BASELINES, baseline
from engine.nets.downscaler import Downscaler
from engine.nets.spec import NetworkSpec, stage_factors
from engine.specs import BaseSpec, SourceSpec, TargetSpec

K, HALO, SIZE = 4, 14, 6
RAIN = TargetSpec("rain", "mm/month", transform="log1p", bounds=(0.0, None), conservation="multiplicative")
WARMTH = TargetSpec("temperature", "K", weights="area")
SOURCES = (SourceSpec("normals", "mm/month", "fine", kind="climatology"),)
BLEND = BaseSpec((("climatologyratio", 0.5), ("elevationregression", 0.3), ("bicubic", 0.2)))
METHODS = [id for id, info in BASELINES.items() if not info.tells_error]


def patch_of(target: TargetSpec, outside: float = 0.0) -> Patch:
    """A patch whose domain is ragged, and lacks one coarse cell of the window; `outside` is added there."""
    drawn = torch.Generator().manual_seed(3)
    edge = SIZE + 2 * HALO
    coarse = torch.rand(2, edge, edge, generator=drawn) * 30 + (270 if target is WARMTH else 0)
    domain = torch.rand(2, edge * K, edge * K, generator=drawn) > 0.4
    cell = (HALO + 2) * K
    domain[:, cell : cell + K, cell : cell + K] = False
    patch = Patch(K, HALO, coarse, domain=domain, day_of_year=torch.tensor([40.0, 200.0]))
    elevation = torch.rand(2, 1, edge * K, edge * K, generator=drawn) * 900
    bands = torch.rand(2, 12, edge * K, edge * K, generator=drawn) * 30 + coarse.min()
    patch.fine["elevation"] = elevation + outside * ~domain[:, None]
    patch.climatology = bands + outside * ~domain[:, None]
    patch.climatology_distance = torch.arange(12.0).expand(2, 12) % 6
    if target.by_area:
        patch.area = torch.rand(2, edge * K, generator=drawn) + 0.5
    return patch


def assert_over_the_domain(field: torch.Tensor, patch: Patch, target: TargetSpec) -> None:
    inside = crop(patch.domain, HALO, K)
    assert torch.equal(torch.isfinite(field), inside)
    area = patch.averaging_area(target)
    rows = torch.ones(2, SIZE * K) if area is None else area[:, HALO * K : -HALO * K]
    weight = (rows[..., None] * inside).double()
    summed = [
        x.unflatten(-2, (-1, K)).unflatten(-1, (-1, K)).sum((-3, -1))
        for x in (field.nan_to_num() * weight, weight)
    ]
    coarse = crop(patch.target, HALO)
    there = summed[1] > 0
    assert not bool(there.all())  # the coarse cell without a fine one
    error = (summed[0][there] / summed[1][there] - coarse[there]).abs() / coarse[there]
    assert float(error.max()) < 1e-5


@pytest.mark.parametrize("target", (RAIN, WARMTH), ids=("rain", "warmth"))
@pytest.mark.parametrize("id", METHODS)
def test_no_method_looks_outside_the_domain(id: str, target: TargetSpec) -> None:
    if not BASELINES[id].suits(target):
        pytest.skip("not for this target")
    method, fields = baseline(id, K, target), []
    for outside in (0.0, 5000.0):
        patch = patch_of(target, outside)
        fields.append(
            conserved(method.predict(narrowed(patch, method.halo)), narrowed(patch, method.halo), target)
        )
    assert_over_the_domain(fields[0], patch_of(target), target)
    assert torch.equal(fields[0].nan_to_num(-1), fields[1].nan_to_num(-1))


@pytest.mark.parametrize("sources", (SOURCES, ()), ids=("climatology", "interpolation"))
@pytest.mark.parametrize("target", (RAIN, WARMTH), ids=("rain", "warmth"))
def test_the_base_keeps_to_the_domain(target: TargetSpec, sources: tuple[SourceSpec, ...]) -> None:
    fields = [base_field(patch_of(target, outside), target, sources, 0) for outside in (0.0, 5000.0)]
    assert_over_the_domain(fields[0], patch_of(target), target)
    assert torch.equal(fields[0].nan_to_num(-1), fields[1].nan_to_num(-1))


def test_so_does_a_blend_with_a_margin() -> None:
    patch = patch_of(RAIN)
    wide = BlendedBase(BLEND, K, RAIN, SOURCES).field(patch, 2)
    assert_over_the_domain(crop(wide, 2, K), patch, RAIN)


def test_a_network_sees_nothing_of_a_climatology_outside() -> None:
    coarse, fine = network_channels(SOURCES)
    spec = NetworkSpec(K, coarse, fine, widths=(8,) * len(stage_factors(K)) + (4,))
    torch.manual_seed(0)
    model = Downscaler(RAIN, SOURCES, spec, BLEND).eval()
    fields = []
    for outside in (0.0, 5000.0):
        patch = patch_of(RAIN, outside)
        patch.fine["elevation"] = patch_of(RAIN).fine["elevation"]
        wider = replace(patch, halo=model.halo, target=_padded(patch.target, model.halo, 1))
        wider.fine = {name: _padded(x, model.halo, K) for name, x in patch.fine.items()}
        wider.climatology = _padded(patch.climatology, model.halo, K)
        wider.domain = _padded(patch.domain.float(), model.halo, K) > 0
        with torch.no_grad():
            fields.append(model.forward_physical(wider))
    assert torch.equal(torch.isfinite(fields[0]), crop(wider.domain, model.halo, K) > 0)
    assert torch.equal(fields[0].nan_to_num(-1), fields[1].nan_to_num(-1))


def _padded(values: torch.Tensor, halo: int, scale: int) -> torch.Tensor:
    edge = (halo - HALO) * scale
    return torch.nn.functional.pad(values, (edge,) * 4, value=torch.nan)


def test_everything_inside_is_as_without_a_domain() -> None:
    patch = patch_of(RAIN)
    whole = replace(patch, domain=torch.ones_like(patch.domain))
    for sources in (SOURCES, ()):
        expected = base_field(replace(patch, domain=None), RAIN, sources, 0)
        assert torch.equal(base_field(whole, RAIN, sources, 0), expected)


def test_the_means_of_a_smooth_field_are_drawn_towards_the_coarse_ones_over_the_domain() -> None:
    """Interpolation put right over the inside alone steps less at the coast than one put right over all."""
    patch = replace(patch_of(WARMTH), climatology=None, area=None)
    rows = torch.linspace(0, 1, patch.domain.shape[-1])
    truth = (270 + 40 * rows + 5 * torch.sin(9 * rows)).expand(patch.domain.shape)
    coast = torch.arange(patch.domain.shape[-1]) % 7 < 4
    patch.domain = coast.expand(patch.domain.shape)
    patch.target = aggregate(torch.where(patch.domain, truth, torch.nan), K)
    with_domain = base_field(patch, WARMTH, (), 0)
    without = conserved(base_field(replace(patch, domain=None), WARMTH, (), 0), patch, WARMTH)
    truth = crop(truth, HALO, K)
    errors = [(field - truth).square().nanmean() for field in (with_domain, without)]
    assert float(errors[0]) < 0.9 * float(errors[1])


def test_fields_with_channels_and_thinner_halos() -> None:
    patch = patch_of(RAIN)
    held = within(patch.climatology, patch)
    assert torch.equal(torch.isfinite(held), patch.domain[:, None].expand_as(held))
    thin = narrowed(patch, BASE_HALO)
    assert torch.equal(thin.domain, crop(patch.domain, HALO - BASE_HALO, K))
    assert within(spread_cells(patch.target, K), replace(patch, domain=None)).isfinite().all()
