"""Regression on elevation: lapse rates that are known, flat ground, holes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.disaggregation.elevation_regression import (
    EQUAL,
    HALO,
    KERNEL,
    RELIEF,
    WINDOW,
    above,
    regressed,
    slopes,
)
from engine.disaggregation.lapse_rate import RATES, lapse_rate
from engine.errors import InputError
from engine.fields.conservation import aggregate
from engine.fields.patch import Patch
from engine.fields.windows import crop
from engine.methods.registry import BASELINES, baseline
from engine.specs import TargetSpec

TEMPERATURE = TargetSpec("temperature", "K")
RAIN = TargetSpec("rain", "mm", bounds=(0.0, None), conservation="multiplicative")
LAPSE = -0.0065  # K/m
FACTOR = 4


def terrain(seed: int = 0, size: int = 18) -> Tensor:
    """Fine elevation in metres, rough at every scale."""
    generator = torch.Generator().manual_seed(seed)
    broad = torch.rand(1, size, size, generator=generator) * 2500
    rough = torch.rand(1, size * FACTOR, size * FACTOR, generator=generator) * 1500
    return rough + broad.repeat_interleave(FACTOR, -1).repeat_interleave(FACTOR, -2)


def predict(coarse: Tensor, elevation: Tensor, target: TargetSpec = TEMPERATURE) -> Tensor:
    patch = Patch(FACTOR, HALO, coarse, fine={"elevation": elevation[:, None]})
    return baseline("elevationregression", FACTOR, target).predict(patch)


def test_a_known_lapse_rate_is_recovered() -> None:
    elevation = terrain()
    truth = 300 + LAPSE * elevation
    coarse = aggregate(truth, FACTOR)
    slope = crop(slopes(coarse, aggregate(elevation, FACTOR)), WINDOW)
    torch.testing.assert_close(slope, torch.full_like(slope, LAPSE), rtol=0.03, atol=0)
    error = predict(coarse, elevation) - crop(truth, HALO, FACTOR)
    plain = baseline("bicubic", FACTOR, TEMPERATURE).predict(Patch(FACTOR, HALO, coarse))
    assert float(error.abs().max()) < 0.1  # what the ridge takes
    assert float(error.pow(2).mean()) < 1e-4 * float((plain - crop(truth, HALO, FACTOR)).pow(2).mean())


@pytest.mark.parametrize("kernel", [KERNEL, EQUAL])
def test_slopes_are_those_of_the_weighted_normal_equations(kernel: tuple[float, ...]) -> None:
    generator = torch.Generator().manual_seed(1)
    z = aggregate(terrain(1), FACTOR)[0, :7, :7].double()
    x = 280 + LAPSE * z + torch.rand(7, 7, generator=generator)
    x[1, 2] = torch.nan
    valid = torch.isfinite(x)
    k = torch.tensor(kernel, dtype=torch.float64)
    weight = (k[:, None] * k)[valid] / (k[:, None] * k)[valid].sum()
    i, j = torch.meshgrid(torch.arange(7.0), torch.arange(7.0), indexing="ij")
    columns = torch.stack([torch.ones(7, 7), i, j, z], -1)[valid].double()
    matrix = columns.T @ (weight[:, None] * columns)
    matrix[3, 3] += RELIEF**2
    fit = torch.linalg.solve(matrix, columns.T @ (weight * x[valid]))
    plane = columns[:, :3]
    projection = plane @ torch.linalg.solve(plane.T @ (weight[:, None] * plane), plane.T * weight)
    height, left = z[valid] - projection @ z[valid], x[valid] - projection @ x[valid]
    explained = float((weight * (fit[3] * height) ** 2).sum())
    rest = float((weight * (left - fit[3] * height) ** 2).sum())
    expected = float(fit[3]) * explained / (explained + rest)
    found = slopes(x[None], z[None], kernel)[0, 3, 3]
    assert 0.5 * LAPSE > expected > 1.1 * LAPSE  # neither all nor nothing
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_a_gradient_with_latitude_is_no_lapse_rate() -> None:
    elevation = terrain(8)
    coarse = (300 - 0.8 * torch.arange(18.0) + 0.3 * torch.arange(18.0)[:, None])[None]
    plain = baseline("bicubic", FACTOR, TEMPERATURE).predict(Patch(FACTOR, HALO, coarse))
    torch.testing.assert_close(predict(coarse, elevation), plain, rtol=0, atol=1e-3)
    both = coarse + LAPSE * aggregate(elevation, FACTOR)
    slope = crop(slopes(both, aggregate(elevation, FACTOR)), WINDOW)
    torch.testing.assert_close(slope, torch.full_like(slope, LAPSE), rtol=0.03, atol=0)


def test_a_few_cells_tell_no_slope() -> None:
    elevation = aggregate(terrain(11), FACTOR)
    coarse = torch.full_like(elevation, torch.nan)
    coarse[:, 8:10, 8:10] = 280 + 10 * torch.rand(1, 2, 2, generator=torch.Generator().manual_seed(11))
    assert float(slopes(coarse, elevation).abs().max()) == 0
    whole = 280 + LAPSE * elevation
    corner = slopes(whole, elevation)[:, 0, 0]  # a quarter of the window is enough
    torch.testing.assert_close(corner, torch.full_like(corner, LAPSE), rtol=0.05, atol=0)


def test_noise_gives_little_slope() -> None:
    coarse = 280 + torch.rand(1, 60, 60, generator=torch.Generator().manual_seed(9))
    elevation = torch.rand(1, 60, 60, generator=torch.Generator().manual_seed(10)) * 2500
    found = slopes(coarse, elevation)[:, WINDOW:-WINDOW, WINDOW:-WINDOW]
    plain = coarse.std() / elevation.std()  # of a perfect correlation
    assert float(found.abs().mean()) < 0.05 * float(plain)


def test_lapse_rates_are_local() -> None:
    elevation = terrain(2, 30)
    coarse = aggregate(elevation, FACTOR)
    rate = torch.cat([torch.full((15,), -0.0065), torch.full((15,), -0.0040)])
    slope = slopes(290 + rate * coarse, coarse)[:, WINDOW:-WINDOW]
    for columns, expected in ((slice(WINDOW, 15 - WINDOW), -0.0065), (slice(15 + WINDOW, -WINDOW), -0.0040)):
        part = slope[..., columns]
        torch.testing.assert_close(part, torch.full_like(part, expected), rtol=0.03, atol=0)


def test_the_level_of_the_heights_does_not_matter() -> None:
    elevation, generator = terrain(3), torch.Generator().manual_seed(3)
    coarse = 280 + torch.rand(1, 18, 18, generator=generator) * 20
    torch.testing.assert_close(
        predict(coarse, elevation), predict(coarse, elevation + 4000), rtol=0, atol=2e-3
    )


@pytest.mark.parametrize("target", [TEMPERATURE, RAIN])
@pytest.mark.parametrize("height", [0.0, 4321.0, torch.nan])
def test_flat_or_unknown_ground_is_interpolation(height: float, target: TargetSpec) -> None:
    coarse = torch.rand(1, 18, 18, generator=torch.Generator().manual_seed(4)) ** 3 * 100
    coarse[0, 8, 8] = torch.nan
    found = predict(coarse, torch.full((1, 18 * FACTOR, 18 * FACTOR), height), target)
    plain = baseline("bicubic", FACTOR, target).predict(Patch(FACTOR, HALO, coarse))
    torch.testing.assert_close(found, plain, rtol=1e-6, atol=1e-5, equal_nan=True)


def test_rain_that_grows_with_height_is_recovered_where_it_is_smooth_in_log() -> None:
    elevation = terrain(5)
    coarse = aggregate(elevation, FACTOR)
    found = predict(torch.expm1(2 + 4e-4 * coarse), elevation, RAIN)
    expected = torch.expm1(2 + 4e-4 * crop(elevation, HALO, FACTOR))
    torch.testing.assert_close(found, expected, rtol=0.05, atol=0)


def test_holes_do_not_bleed() -> None:
    elevation = terrain(6)
    truth = 300 + LAPSE * elevation
    coarse = aggregate(truth, FACTOR)
    coarse[0, 9, 8] = torch.nan
    coarse[0, 6, 7] = -torch.inf
    ground = elevation.clone()
    ground[0, 40:46, 24:30] = torch.nan  # parts of coarse cells, and a whole one
    ground[0, 33, 31] = torch.inf
    found, expected = predict(coarse, ground), crop(truth, HALO, FACTOR)
    known = torch.isfinite(crop(coarse, HALO)).repeat_interleave(FACTOR, -1).repeat_interleave(FACTOR, -2)
    assert torch.equal(torch.isfinite(found), known)
    # Far from the holes nothing changes; near them the field stays within what the ground allows.
    assert float((found - predict(aggregate(truth, FACTOR), elevation))[0, :, -8:].abs().max()) < 0.05
    assert float((found - expected)[known].abs().max()) < 1500 * abs(LAPSE) + 8


def test_weights_by_area() -> None:
    elevation = terrain(7)
    area = torch.linspace(1, 3, 18 * FACTOR)[None]
    truth = 300 + LAPSE * elevation
    found = regressed(aggregate(truth, FACTOR, area), elevation, FACTOR, HALO, area)
    assert float((found - crop(truth, HALO, FACTOR)).abs().max()) < 0.1


def test_without_elevation_it_is_refused() -> None:
    with pytest.raises(InputError, match=r"elevation \(m\)"):
        baseline("elevationregression", FACTOR, RAIN).predict(Patch(FACTOR, HALO, torch.ones(1, 18, 18)))


def test_equal_weights_look_farther() -> None:
    elevation = terrain(3)
    coarse = 300 + LAPSE * aggregate(elevation, FACTOR)
    changed = coarse.clone()
    changed[0, 6, 6] += 5  # three cells from the one that is looked at, in both directions
    patches = [
        Patch(FACTOR, HALO, field, fine={"elevation": elevation[:, None]}) for field in (coarse, changed)
    ]
    moved = {}
    for name in ("elevationregression", "elevationregressionlocal"):
        method = baseline(name, FACTOR, TEMPERATURE)
        before, after = (slopes(p.target, aggregate(elevation, FACTOR), method.kernel) for p in patches)
        moved[name] = float((after - before)[0, 9, 9].abs())
        assert method.halo == HALO
        assert (method.predict(patches[0]) - method.predict(patches[1])).abs().max() > 1e-3
    assert moved["elevationregressionlocal"] > 5 * moved["elevationregression"]


def test_the_lapse_rate_is_the_months() -> None:
    elevation = terrain(2)
    mean = aggregate(elevation, FACTOR)
    patch = Patch(FACTOR, HALO, torch.full_like(mean, 280.0), fine={"elevation": elevation[:, None]})
    patch.day_of_year = torch.tensor([166.0])  # the middle of June
    height = above(elevation, mean, FACTOR, HALO)
    for units, step in (("K", 1.0), ("degC", 1.0), ("degF", 1.8)):
        field = baseline("lapserate", FACTOR, TargetSpec("temperature", units)).predict(patch)
        torch.testing.assert_close(field, 280 - 0.0082 * step * height, rtol=1e-5, atol=1e-3)
    smooth = Patch(FACTOR, HALO, torch.full_like(mean, 280.0))
    smooth.fine["elevation"] = torch.zeros_like(elevation)[:, None]
    smooth.fine["elevation"][0, 0, 36, 36] = 160.0  # ten metres over its coarse cell
    level = baseline("lapserate", FACTOR, TEMPERATURE).predict(smooth)
    smooth.day_of_year = torch.tensor([166.0])
    june = baseline("lapserate", FACTOR, TEMPERATURE).predict(smooth)
    summit = (36 - HALO * FACTOR,) * 2
    departure = (280 - june[0, summit[0], summit[1]]) / (280 - level[0, summit[0], summit[1]])
    assert float(departure) == pytest.approx(8.2 / (sum(RATES) / 12), rel=1e-4)


def test_months_of_the_lapse_rate() -> None:
    days = torch.tensor([1.0, 31.0, 32.0, 196.0, 335.0, 366.0])
    expected = [RATES[0], RATES[0], RATES[1], RATES[6], RATES[11], RATES[11]]
    torch.testing.assert_close(lapse_rate(days)[:, 0, 0], torch.tensor(expected))
    assert float(lapse_rate(None)) == pytest.approx(sum(RATES) / 12)


def test_the_lapse_rate_is_for_temperatures() -> None:
    assert BASELINES["lapserate"].suits(TEMPERATURE) and not BASELINES["lapserate"].suits(RAIN)
    with pytest.raises(InputError, match="temperatures, but the target is in mm"):
        baseline("lapserate", FACTOR, RAIN).check({"elevation"})
    with pytest.raises(InputError, match="elevation"):
        baseline("lapserate", FACTOR, TEMPERATURE).check(set())
