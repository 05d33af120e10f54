"""Holes of a covariate: the error told is larger there, and no larger elsewhere."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.fields.conservation import aggregate
from engine.fields.windows import spread_cells
from engine.sharpening.covariates import CovariateField
from engine.sharpening.descent import Descent
from engine.sharpening.fit import fit
from engine.sharpening.levels import Level
from engine.sharpening.missing_covariates import missing_shares, not_carried, with_all_known
from engine.specs import TargetSpec

SIGNED = TargetSpec("temperature", "degC")
K, CELLS = 4, 40


def rough(seed: int, power: float) -> Tensor:
    """Return (1, CELLS·K, CELLS·K) of a self-affine field, of mean 0 and deviation 1."""
    noise = torch.randn(CELLS * K, CELLS * K, generator=torch.Generator().manual_seed(seed))
    waves = torch.fft.fftfreq(CELLS * K)
    size = torch.hypot(waves[:, None], waves)
    size[0, 0] = torch.inf
    field = torch.fft.ifft2(torch.fft.fft2(noise) * size**-power).real
    return (field / field.std())[None]


def holes(kind: str) -> Tensor:
    drawn = torch.Generator().manual_seed(5)
    if kind == "cells":
        return spread_cells(torch.rand(1, CELLS, CELLS, generator=drawn) < 0.08, K)
    if kind == "fine cells":
        return torch.rand(1, CELLS * K, CELLS * K, generator=drawn) < 0.08
    return rough(6, 2.0) > 1.4


@pytest.mark.parametrize("kind", ["cells", "fine cells", "patches"])
def test_the_error_is_told_where_a_covariate_is_missing_and_not_elsewhere(kind: str) -> None:
    ground = rough(1, 1.8)
    truth = -3 * ground + 2 * rough(2, 3.0) + 0.05 * rough(3, 1.5)
    covariate = torch.where(holes(kind), torch.nan, ground)
    coarse = aggregate(truth, K)
    fitted = fit(coarse, {"ground": CovariateField(aggregate(covariate, K)[:, None])}, SIGNED, [""])
    descent = Descent(fitted, SIGNED, K, (0, 0))
    wide = F.pad(coarse, (descent.halo,) * 4, value=torch.nan)
    fine = F.pad(covariate, (descent.halo * K,) * 4, value=torch.nan)
    made = descent.window(wide, {"ground": CovariateField(fine[:, None])}, 0, (0, 0))
    missing = ~torch.isfinite(covariate[0])
    whole = spread_cells(aggregate(missing[None].float(), K), K)[0] == 0

    def told_over_true(cells: Tensor) -> float:
        true = (made.field - truth[0])[cells].square().mean().sqrt()
        return float(made.error[cells].square().mean().sqrt() / true)

    assert float(made.error[missing].mean()) > 2.5 * float(made.error[whole].mean())
    assert 0.75 < told_over_true(missing) < 1.35
    assert 0.75 < told_over_true(missing | whole) < 1.35
    assert 0.5 < told_over_true(whole) < 2  # five times, where the holes' errors count everywhere
    assert float(made.support[missing].mean()) < float(made.support[whole].mean())


def test_cells_beside_holes_do_not_count() -> None:
    known = torch.ones(1, 12, 12, dtype=torch.bool)
    hole = torch.zeros_like(known)
    hole[0, 3, 3] = True
    field = torch.zeros(1, 12, 12)
    level = Level(
        field[None], ("a",), field, known, known.float(), field, field[None], (0,), missing={"a": hole}
    )
    (kept,) = with_all_known([level], ["a"])
    assert int((~kept.known).sum()) == 9 and not kept.known[0, 2:5, 2:5].any()
    assert torch.equal(kept.freedom, kept.known.float())
    assert with_all_known([level], ["b"]) == [level]
    level.missing = {"a": known & (torch.arange(12) > 1)}  # a column is left: too little
    assert with_all_known([level], ["a"]) == [level]


def test_shares_are_those_of_the_cells_that_count() -> None:
    values = torch.zeros(1, 1, 4, 4)
    values[..., 0, 0] = values[..., 1, 3] = torch.nan
    whole = torch.ones(1, 4, 4)
    shares = missing_shares({"a": CovariateField(values), "b": CovariateField(whole[None])}, None, [1, 2, 4])
    assert list(shares[2]) == ["a"]
    assert shares[2]["a"].tolist() == [[[0.25, 0.25], [0, 0]]]
    assert shares[4]["a"].tolist() == [[[0.125]]]
    domain = torch.zeros(1, 4, 4, dtype=torch.bool)
    domain[0, 0, :2] = True
    assert missing_shares({"a": CovariateField(values)}, domain, [2])[2]["a"].tolist() == [[[0.5, 0], [0, 0]]]


def test_all_of_a_missing_cell_is_not_carried_and_nothing_of_a_known_one() -> None:
    share = torch.tensor([[[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]])
    above = torch.tensor([[[0.5, 0.0]]])
    assert not_carried(share, above, 2).tolist() == [[[1.0, 0.25, 0.0, 0.0], [0.25, 0.25, 0.0, 0.0]]]
