"""What is expected of the error: octaves add up, their fall is seen, unknown detail is expected rightly."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from engine.fields.conservation import aggregate
from engine.sharpening.covariates import CovariateField
from engine.sharpening.descent import Descent
from engine.sharpening.fit import fit
from engine.sharpening.unexplained import Unexplained
from engine.specs import TargetSpec

SIGNED = TargetSpec("temperature", "degC")


def affine_field(size: int, hurst: float, seed: int) -> torch.Tensor:
    """Return (1, size, size) of self-affine noise by its spectrum, of deviation 1."""
    drawn = torch.Generator().manual_seed(seed)
    rows, columns = torch.fft.fftfreq(size)[:, None], torch.fft.rfftfreq(size)
    wave = torch.hypot(rows, columns)
    wave[0, 0] = 1
    noise = torch.fft.rfft2(torch.randn(size, size, generator=drawn)) * wave ** -(hurst + 1)
    noise[0, 0] = 0
    field = torch.fft.irfft2(noise, s=(size, size))
    return (field / field.std())[None]


@pytest.mark.parametrize("hurst", [0.0, 0.3, 1.0])
def test_octaves_add_up(hurst: float) -> None:
    rest = Unexplained(2.0, hurst, torch.ones(1, 1, 1))
    assert rest.below(0, 1) + rest.below(1, 3) == pytest.approx(rest.below(0, 3), rel=1e-6)
    assert rest.below(1, 2) / rest.below(0, 1) == pytest.approx(2 ** (-2 * hurst), rel=1e-6)
    assert rest.below(0, 1) == pytest.approx(2.0 * 2 ** (-2 * hurst), rel=1e-6)


@pytest.mark.parametrize("hurst", [0.3, 0.7])
def test_the_error_is_about_what_is_expected_where_no_covariate_helps(hurst: float) -> None:
    ratios = []
    for seed in range(3):
        k, truth = 8, affine_field(256, hurst, seed)
        coarse = aggregate(truth, k)
        descent = Descent(fit(coarse, {}, SIGNED, [""]), SIGNED, k, (0, 0))
        wide = F.pad(coarse, (descent.halo,) * 4, value=torch.nan)
        made = descent.window(wide, {}, 0, (0, 0))
        real = (made.field - truth[0]).square().mean().sqrt()
        ratios.append(float(made.error.square().mean().sqrt() / real))
    assert 0.75 < sum(ratios) / len(ratios) < 1.3


def test_the_error_is_smaller_with_a_covariate_that_explains_the_field() -> None:
    k, ground = 8, affine_field(256, 0.5, 7)
    truth = ground + 0.1 * affine_field(256, 0.5, 8)
    coarse = aggregate(truth, k)
    without = fit(coarse, {}, SIGNED, [""]).unexplained.below(0, 3)
    known = {"ground": CovariateField(aggregate(ground, k)[:, None])}
    assert fit(coarse, known, SIGNED, [""]).unexplained.below(0, 3) < 0.1 * without


def test_what_is_not_known_of_the_fall_is_expected_to_leave_more() -> None:
    places = torch.ones(1, 1, 1)
    sure, unsure = Unexplained(1.0, 0.5, places), Unexplained(1.0, 0.5, places, {}, 0.2, 0.3)
    apart = [unsure.below(o, o + 1) / sure.below(o, o + 1) for o in range(4)]
    assert apart == sorted(apart) and 1 < apart[0] < 1.2 < apart[3]
    assert Unexplained(1.0, 0.1, places, {}, 0.5, 0.5).below(3, 4) <= 1.0  # it does not grow


def test_missing_neighbours_count_less_below_the_data() -> None:
    k, truth = 8, affine_field(256, 0.8, 3)
    coarse = aggregate(truth, k)
    rest = fit(coarse, {}, SIGNED, [""]).unexplained
    assert rest.edges > 0
    share = rest.edges * 2 / (1 + rest.edges * 2)
    assert rest.below(2, 3) / rest.here < 2 ** (-4 * rest.hurst) * (1 + share)
    holes = torch.rand(coarse.shape, generator=torch.Generator().manual_seed(1)) < 0.3
    holed = fit(torch.where(holes, torch.nan, coarse), {}, SIGNED, [""]).unexplained
    assert holed.edges > rest.edges
    assert holed.here < 2.5 * rest.here  # though most of its cells err much more


def test_the_rest_is_expected_where_the_ground_is_rough_if_it_was_so() -> None:
    k, size = 4, 256
    height = torch.where(torch.arange(size) < size // 2, 3.0, 0.3)  # in the west, metres
    own = {"ground": CovariateField(aggregate(affine_field(size, 0.5, 9) * height, k)[:, None])}
    noise = torch.randn(1, size, size, generator=torch.Generator().manual_seed(5))
    alike = [fit(aggregate(x, k), own, SIGNED, [""]).unexplained.alike for x in (noise * height, noise)]
    assert alike[0] > 0.3 and alike[1] < 0.2
