"""Detail carried down: a known relation is found, none is invented, tiles agree, means are kept."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.fields.conservation import aggregate, conserve
from engine.fields.upsample import upsample
from engine.methods.registry import baseline
from engine.sharpening.covariates import CovariateField
from engine.sharpening.descent import Descent, Sharpened, halo, steps
from engine.sharpening.fit import Fitted, fit
from engine.specs import TargetSpec

SIGNED = TargetSpec("temperature", "degC")
POSITIVE = TargetSpec("rain", "mm", transform="log1p", bounds=(0.0, None), conservation="multiplicative")
ROWS, COLUMNS = 32, 40


def terrain(k: int, seed: int) -> Tensor:
    """Return (1, ROWS·k, COLUMNS·k) rough ground: octaves of noise, each half as high as the one before."""
    drawn = torch.Generator().manual_seed(seed)
    size, height, ground = 2, 1.0, torch.zeros(1, ROWS * k, COLUMNS * k)
    while size <= COLUMNS * k:
        noise = torch.randn(1, 1, size, size, generator=drawn)
        ground += height * F.interpolate(noise, ground.shape[-2:], mode="bicubic")[0]
        size, height = size * 2, height * 0.6
    return ground


def run(truth: Tensor, covariate: Tensor, k: int, target: TargetSpec) -> tuple[Sharpened, Fitted, Tensor]:
    coarse = aggregate(truth, k)
    own = {"ground": CovariateField(aggregate(covariate, k)[:, None])}
    fitted = fit(coarse, own, target, [""])
    return window(Descent(fitted, target, k, (0, 0)), coarse, covariate, 0, ROWS), fitted, coarse


def window(descent: Descent, coarse: Tensor, covariate: Tensor, first: int, rows: int) -> Sharpened:
    """Sharpen some rows of coarse cells."""
    edge, k = descent.halo, descent.factor
    wide = F.pad(coarse, (edge,) * 4, value=torch.nan)[:, first : first + rows + 2 * edge]
    fine = F.pad(covariate, (edge * k,) * 4, value=torch.nan)[:, first * k : (first + rows + 2 * edge) * k]
    return descent.window(wide, {"ground": CovariateField(fine[:, None])}, 0, (first, 0))


def test_a_domain_is_left_out_at_every_step() -> None:
    """Land alone: better than the whole field cut at the coast, and blind to what lies beyond it."""
    k, ground = 4, 400 * terrain(4, 1)
    ground -= ground.mean()
    land, truth = ground > -120, 20 - 0.0065 * ground
    coarse = aggregate(torch.where(land, truth, torch.nan), k)
    errors = {}
    for domain in (land, None):
        covariate = torch.where(land, ground, torch.nan if domain is not None else 0.0)
        own = {"ground": CovariateField(aggregate(covariate, k)[:, None])}
        descent = Descent(fit(coarse, own, SIGNED, [""]), SIGNED, k, (0, 0))
        edge = descent.halo
        wide = F.pad(coarse, (edge,) * 4, value=torch.nan)
        fine = {"ground": CovariateField(F.pad(covariate, (edge * k,) * 4, value=torch.nan)[:, None])}
        inside = None if domain is None else F.pad(domain, (edge * k,) * 4)
        made = descent.window(wide, fine, 0, (0, 0), None, inside)
        field = conserve(torch.where(land, made.field, torch.nan), coarse, k, SIGNED)
        errors[domain is not None] = float((field - truth)[land].square().mean().sqrt())
        if domain is not None:
            assert torch.equal(torch.isfinite(made.field), land[0])
    assert errors[True] < 0.9 * errors[False]


def rmse(field: Tensor, truth: Tensor) -> float:
    return float((field - truth[0]).square().mean().sqrt())


def interpolated(coarse: Tensor, k: int, target: TargetSpec) -> Tensor:
    from engine.fields.patch import Patch

    method = baseline("bicubicsmooth", k, target)
    wide = F.pad(coarse, (method.halo,) * 4, value=torch.nan)
    return method.predict(Patch(factor=k, halo=method.halo, target=wide))[0]


@pytest.mark.parametrize("k", [4, 6])
def test_a_lapse_rate_is_found_and_carried_down(k: int) -> None:
    ground = terrain(k, 1)
    truth = 10 - 6.5 * ground
    made, fitted, coarse = run(truth, ground, k, SIGNED)
    assert fitted.gains["ground"].shown
    assert rmse(made.field, truth) < 0.35 * rmse(interpolated(coarse, k, SIGNED), truth)
    assert float(made.support.mean()) > 0.5


@pytest.mark.parametrize("target", [SIGNED, POSITIVE])
def test_the_means_are_kept_and_the_bounds(target: TargetSpec) -> None:
    ground = terrain(4, 2)
    truth = torch.exp(ground) if target.nonnegative else ground
    made, _, coarse = run(truth, ground, 4, target)
    torch.testing.assert_close(aggregate(made.field[None], 4), coarse, rtol=1e-4, atol=1e-4)
    assert not target.nonnegative or float(made.field.min()) >= 0


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_invented_without_a_relation(seed: int) -> None:
    truth, ground = terrain(4, 100 + seed), terrain(4, 200 + seed)
    made, _, coarse = run(truth, ground, 4, SIGNED)
    assert rmse(made.field, truth) < 1.01 * rmse(interpolated(coarse, 4, SIGNED), truth)
    assert float(made.support.mean()) < 0.05


def test_without_a_gain_it_is_the_smoothly_conserved_interpolation() -> None:
    truth = terrain(4, 3)
    made, _, coarse = run(truth, torch.zeros_like(truth), 4, SIGNED)
    torch.testing.assert_close(made.field, interpolated(coarse, 4, SIGNED), rtol=1e-5, atol=1e-5)
    assert float(made.support.max()) == 0


def test_tiles_agree() -> None:
    ground = terrain(6, 4)
    truth = 10 - 6.5 * ground
    coarse = aggregate(truth, 6)
    fitted = fit(coarse, {"ground": CovariateField(aggregate(ground, 6)[:, None])}, SIGNED, [""])
    descent = Descent(fitted, SIGNED, 6, (0, 0))
    whole = window(descent, coarse, ground, 0, ROWS)
    parts = [window(descent, coarse, ground, first, rows) for first, rows in ((0, 11), (11, 21))]
    for name in ("field", "error", "support"):
        joined = torch.cat([getattr(part, name) for part in parts])
        torch.testing.assert_close(joined, getattr(whole, name), rtol=1e-4, atol=1e-4)


def test_a_covariate_without_data_leaves_the_interpolation() -> None:
    ground = terrain(4, 5)
    truth = 10 - 6.5 * ground
    holed = ground.clone()
    holed[:, :, : COLUMNS * 2] = torch.nan
    made, _, coarse = run(truth, holed, 4, SIGNED)
    smooth = interpolated(coarse, 4, SIGNED)
    assert bool(torch.isfinite(made.field).all())
    west = slice(0, COLUMNS * 2 - 32)
    assert float((made.field - smooth)[:, west].abs().max()) < 0.05 * float(smooth.abs().max())
    east = slice(COLUMNS * 2 + 32, None)
    assert rmse(made.field[:, east], truth[..., east]) < 0.5 * rmse(smooth[:, east], truth[..., east])


def test_cells_without_data_stay_so() -> None:
    ground = terrain(4, 6)
    truth = 10 - 6.5 * ground
    coarse = aggregate(truth, 4)
    coarse[:, 5:9, 7:12] = torch.nan
    fitted = fit(coarse, {"ground": CovariateField(aggregate(ground, 4)[:, None])}, SIGNED, [""])
    made = window(Descent(fitted, SIGNED, 4, (0, 0)), coarse, ground, 0, ROWS)
    known = torch.isfinite(coarse[0]).repeat_interleave(4, 0).repeat_interleave(4, 1)
    for field in (made.field, made.error, made.support):
        assert torch.equal(torch.isfinite(field), known)


def test_the_steps_multiply_to_the_factor_and_the_halo_covers_them() -> None:
    assert [steps(k) for k in (2, 20, 32, 7, 97)] == [[2], [2, 2, 5], [2] * 5, [7], [97]]
    assert halo(32) >= halo(2)


def test_a_field_too_small_to_be_averaged_is_interpolated() -> None:
    coarse = upsample(torch.randn(1, 2, 2), 2, "bilinear")[:, :3, :3]
    fitted = fit(coarse, {"ground": CovariateField(torch.randn(1, 1, 3, 3))}, SIGNED, [""])
    assert fitted.relation is None and fitted.levels == 0
