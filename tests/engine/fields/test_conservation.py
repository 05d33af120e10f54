"""The conservation layer: exact, within bounds, masked, differentiable."""

from __future__ import annotations

import pytest
import torch

from engine.fields.conservation import aggregate, conserve, outside_bounds
from engine.specs import TargetSpec

RAIN = TargetSpec("rain", "mm", conservation="multiplicative", bounds=(0.0, None))
TEMPERATURE = TargetSpec("temperature", "K")
HUMIDITY = TargetSpec("humidity", "percent", bounds=(0.0, 100.0))
COVER = TargetSpec("cover", "1", conservation="multiplicative", bounds=(0.0, 1.0))
BOUNDED = TargetSpec("index", "1", bounds=(-5.0, 5.0))
FLOORED = TargetSpec("depth", "m", bounds=(2.0, None))
# Per target: scale and offset of coarse and fine values that stay inside its bounds.
CASES = {
    "rain": (RAIN, 300.0, 0.0),
    "temperature": (TEMPERATURE, 40.0, 260.0),
    "humidity": (HUMIDITY, 100.0, 0.0),
    "cover": (COVER, 1.0, 0.0),
    "index": (BOUNDED, 10.0, -5.0),
    "depth": (FLOORED, 10.0, 2.0),
}
FACTORS = (2, 3, 8, 20)


def fields(case: str, factor: int, power: float = 3.0) -> tuple[TargetSpec, torch.Tensor, torch.Tensor]:
    """Skewed random fields, so that the bounds bind in many cells."""
    target, scale, offset = CASES[case]
    generator = torch.Generator().manual_seed(factor)
    coarse = torch.rand(2, 6, 5, generator=generator) ** power * scale + offset
    fine = torch.rand(2, 6 * factor, 5 * factor, generator=generator) ** power * scale + offset
    return target, fine, coarse


def block_mean(fine: torch.Tensor, factor: int) -> torch.Tensor:
    """The mean over valid cells in float64, written another way than the engine's."""
    blocks = fine.double().unfold(-2, factor, factor).unfold(-2, factor, factor)
    return blocks.nanmean((-1, -2))


def assert_conserved(fine: torch.Tensor, coarse: torch.Tensor, factor: int, magnitude: torch.Tensor) -> None:
    error = (block_mean(fine, factor) - coarse.double()).abs()
    assert float((error / (torch.finfo(torch.float32).eps * magnitude.double().abs())).max()) <= 4


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("case", CASES)
def test_full_strength_is_exact_to_float32_and_keeps_the_bounds(case: str, factor: int) -> None:
    target, fine, coarse = fields(case, factor)
    result = conserve(fine, coarse, factor, target)
    low, high = target.bounds
    assert result.dtype == torch.float32
    assert low is None or float(result.min()) >= low
    assert high is None or float(result.max()) <= high
    magnitude = torch.full_like(coarse, 5.0) if case == "index" else coarse
    assert_conserved(result, coarse, factor, magnitude)


def test_bounds_bind_in_the_cases_above() -> None:
    target, fine, coarse = fields("humidity", 8)
    plain = conserve(fine, coarse, 8, TEMPERATURE)
    assert float(plain.min()) < 0 and float(plain.max()) > 100
    assert not torch.equal(plain, conserve(fine, coarse, 8, target))


def test_values_at_the_bounds() -> None:
    fine = torch.rand(1, 8, 8) * 100
    for bound in (0.0, 100.0):
        coarse = torch.full((1, 2, 2), bound)
        assert torch.equal(conserve(fine, coarse, 4, HUMIDITY), torch.full_like(fine, bound))


def test_large_factor() -> None:
    fine = torch.rand(1, 200, 300, generator=torch.Generator().manual_seed(1)) + 280
    coarse = torch.tensor([[[270.0, 281.5, 290.0], [275.0, 280.0, 285.0]]])
    assert_conserved(conserve(fine, coarse, 100, TEMPERATURE), coarse, 100, coarse)


def test_rules_are_multiplicative_and_additive() -> None:
    _, fine, coarse = fields("rain", 3)
    mean = aggregate(fine, 3).repeat_interleave(3, -1).repeat_interleave(3, -2)
    wanted = coarse.repeat_interleave(3, -1).repeat_interleave(3, -2)
    torch.testing.assert_close(conserve(fine, coarse, 3, RAIN), fine * wanted / mean)
    torch.testing.assert_close(conserve(fine, coarse, 3, TEMPERATURE), fine + wanted - mean)


def test_zero_coarse_gives_zero_and_positive_over_zeros_gives_uniform() -> None:
    fine = torch.zeros(1, 4, 4)
    fine[:, :, :2] = torch.rand(1, 4, 2) + 1
    coarse = torch.tensor([[[0.0, 3.0], [2.0, 0.0]]])
    result = conserve(fine, coarse, 2, RAIN)
    assert torch.equal(result[0, :2, :2], torch.zeros(2, 2))
    assert torch.equal(result[0, :2, 2:], torch.full((2, 2), 3.0))
    assert torch.equal(result[0, 2:, 2:], torch.zeros(2, 2))
    assert_conserved(result, coarse, 2, coarse.clamp_min(1))


def test_vanishing_fine_values_do_not_overflow() -> None:
    fine = torch.full((1, 4, 4), 1e-42)
    coarse = torch.full((1, 2, 2), 1e6)
    assert torch.equal(conserve(fine, coarse, 2, RAIN), torch.full((1, 4, 4), 1e6))


@pytest.mark.parametrize("strength", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("case", ["rain", "temperature", "humidity"])
def test_strength_shrinks_the_residual(case: str, strength: float) -> None:
    target, fine, coarse = fields(case, 4)
    before = block_mean(fine, 4) - coarse
    after = block_mean(conserve(fine, coarse, 4, target, strength=strength), 4) - coarse
    torch.testing.assert_close(after, (1 - strength) * before, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("case", CASES)
def test_invalid_fine_cells_stay_invalid_and_take_no_part(case: str) -> None:
    target, fine, coarse = fields(case, 4)
    hole = torch.rand(fine.shape, generator=torch.Generator().manual_seed(3)) < 0.4
    hole[:, :4, :4] = True
    fine = torch.where(hole, torch.nan, fine)
    fine[1, 0, 8] = torch.inf
    result = conserve(fine, coarse, 4, target)
    assert torch.equal(torch.isfinite(result), torch.isfinite(fine))
    magnitude = torch.full_like(coarse, 5.0) if case == "index" else coarse
    error = (block_mean(result, 4) - coarse.double()).abs() / magnitude.double().abs()
    assert bool(torch.isnan(error[:, 0, 0]).all())
    assert float(error.nan_to_num(0).max()) <= 5e-7


def test_invalid_coarse_cells_give_nan_and_change_no_neighbour() -> None:
    target, fine, coarse = fields("rain", 4)
    whole = conserve(fine, coarse, 4, target)
    broken = coarse.clone()
    broken[0, 1, 2], broken[1, 0, 0] = torch.nan, torch.inf
    result = conserve(fine, broken, 4, target)
    hole = ~torch.isfinite(broken).repeat_interleave(4, -1).repeat_interleave(4, -2)
    assert torch.equal(torch.isnan(result), hole)
    assert torch.equal(result[~hole], whole[~hole])
    assert bool(torch.isnan(conserve(fine, broken, 4, target, strength=0.0))[hole].all())


@pytest.mark.parametrize("case", ["rain", "temperature", "humidity"])
def test_area_weights(case: str) -> None:
    target, fine, coarse = fields(case, 3)
    area = torch.linspace(1.0, 0.2, fine.shape[-2]).expand(2, -1)
    weights = area.unsqueeze(-1).expand_as(fine).contiguous()

    def weighted_mean(field: torch.Tensor) -> torch.Tensor:
        return block_mean(field.double() * weights, 3) / block_mean(weights, 3)

    torch.testing.assert_close(aggregate(fine, 3, area).double(), weighted_mean(fine), rtol=1e-6, atol=0)
    by_area = TargetSpec(
        target.name, target.units, bounds=target.bounds, conservation=target.conservation, weights="area"
    )
    result = conserve(fine, coarse, 3, by_area, area=area)
    torch.testing.assert_close(weighted_mean(result), coarse.double(), rtol=1e-6, atol=1e-6)
    assert torch.equal(conserve(fine, coarse, 3, target, area=area), conserve(fine, coarse, 3, target))


def test_aggregate_over_holes_by_area() -> None:
    fine = torch.tensor([[[1.0, torch.nan], [4.0, 8.0]]])
    area = torch.tensor([[3.0, 1.0]])
    assert aggregate(fine, 2, area).item() == pytest.approx((3 * 1 + 4 + 8) / 5)
    assert bool(torch.isnan(aggregate(torch.full((1, 2, 2), torch.nan), 2)).all())


def test_coarse_outside_the_bounds_is_clipped_and_counted() -> None:
    coarse = torch.tensor([[[120.0, 50.0], [-3.0, torch.nan]]])
    assert outside_bounds(coarse, HUMIDITY) == pytest.approx(2 / 3)
    assert outside_bounds(coarse, RAIN) == pytest.approx(1 / 3)
    assert outside_bounds(coarse, TEMPERATURE) == 0
    assert outside_bounds(torch.full((1, 1, 1), torch.nan), HUMIDITY) == 0
    result = conserve(torch.rand(1, 4, 4) * 100, coarse, 2, HUMIDITY)
    assert torch.equal(result[0, :2, :2], torch.full((2, 2), 100.0))
    assert torch.equal(result[0, 2:, :2], torch.zeros(2, 2))


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_right(case: str) -> None:
    target, fine, coarse = fields(case, 2, power=1.0)
    fine = fine[:1, :4, :4].clone().requires_grad_(True)
    weight = torch.rand(fine.shape, generator=torch.Generator().manual_seed(5))

    def value(field: torch.Tensor) -> torch.Tensor:
        return (conserve(field, coarse[:1, :2, :2], 2, target) * weight).sum()

    value(fine).backward()
    step = 1e-2 * CASES[case][1]
    direction = torch.rand(fine.shape, generator=torch.Generator().manual_seed(6)) - 0.5
    direction *= step * 0.1
    with torch.no_grad():
        difference = (value(fine + direction) - value(fine - direction)) / 2
    expected = float((fine.grad * direction).sum())
    assert float(difference) == pytest.approx(expected, rel=0.15, abs=2e-4 * CASES[case][1])


@pytest.mark.parametrize("case", CASES)
def test_gradients_stay_finite_over_holes_and_empty_cells(case: str) -> None:
    target, fine, coarse = fields(case, 2)
    low = target.bounds[0] or 0.0
    fine[:, :2, :2] = low
    fine[:, 2:4, :3] = torch.nan
    fine[:, 4, 4] = torch.inf
    coarse[0, 3, 3] = torch.nan
    coarse[1, 3, 3] = low
    fine.requires_grad_(True)
    result = conserve(fine, coarse, 2, target)
    result[torch.isfinite(result)].square().sum().backward()
    assert bool(torch.isfinite(fine.grad).all())
    assert bool((fine.grad[~torch.isfinite(fine)] == 0).all())
    assert float(fine.grad.abs().sum()) > 0


def test_aggregate_agrees_however_many_cells_are_invalid() -> None:
    _, fine, _ = fields("rain", 4)
    fine = fine.unflatten(0, (1, 2))
    area = torch.linspace(1.0, 0.2, fine.shape[-2]).expand(1, 2, -1)
    for share in (0.001, 0.03, 0.9):
        hole = torch.rand(fine.shape, generator=torch.Generator().manual_seed(2)) < share
        broken = torch.where(hole, torch.nan, fine)
        weights = torch.where(hole, 0.0, area.unsqueeze(-1).expand_as(fine).double())
        expected = block_mean(broken.double().nan_to_num(0) * weights, 4) / block_mean(weights, 4)
        torch.testing.assert_close(
            aggregate(broken, 4, area).double(), expected, rtol=1e-6, atol=0, equal_nan=True
        )
        leaf = broken.clone().requires_grad_(True)
        same = aggregate(leaf, 4, area)
        torch.testing.assert_close(same, aggregate(broken, 4, area), equal_nan=True)
        same[torch.isfinite(same)].sum().backward()
        assert bool(torch.isfinite(leaf.grad).all())


def test_negatives_of_round_off_are_not_outside_the_bounds() -> None:
    coarse = torch.tensor([[[-2.8e-9, 0.0, -4e-4, 40.0]]])
    assert outside_bounds(coarse, RAIN) == 0
    coarse[0, 0, 1] = -0.01
    assert outside_bounds(coarse, RAIN) == pytest.approx(0.25)
