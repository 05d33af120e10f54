"""Pairs of levels: from each corner of a small field, and with holes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.sharpening import levels as levels_module
from engine.sharpening.covariates import CovariateField, Standard
from engine.sharpening.levels import Level, levels
from engine.sharpening.relation import BlockSums, Shrinkage, contributions
from engine.sharpening.terms import terms
from engine.sharpening.unexplained import unexplained
from engine.sharpening.working_space import WorkingSpace
from engine.specs import TargetSpec

TARGET = TargetSpec("temperature", "degC")
ROWS, COLUMNS = 14, 17


def rough(rows: int = ROWS, columns: int = COLUMNS, seed: int = 1) -> Tensor:
    """A field with as much detail between neighbours as far apart, (rows, columns)."""
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)).cumsum(0).cumsum(1) / 9


def made_of(coarse: Tensor, height: Tensor) -> list[Level]:
    covariates = {"height": CovariateField(height[None, None], True)}
    standards = {name: Standard.of(covariate) for name, covariate in covariates.items()}
    return levels(coarse, covariates, standards, WorkingSpace.of(coarse, TARGET))


def test_a_small_field_is_averaged_from_each_corner() -> None:
    height = rough()
    coarse = torch.stack([2 - 3 * height, 1 - 3 * height])
    level = made_of(coarse, height)[0]
    assert (level.phases, level.dates, len(level.detail)) == (4, 2, 8)
    first = made_of(coarse[:, 1:, 1:], height[1:, 1:])[0]  # as the last phase pairs them, but for its edge
    inside = (slice(None), slice(8, ROWS - 4), slice(8, COLUMNS - 5))
    moved = (slice(None), slice(7, ROWS - 5), slice(7, COLUMNS - 6))
    spread = WorkingSpace.of(coarse, TARGET).spread / WorkingSpace.of(coarse[:, 1:, 1:], TARGET).spread
    torch.testing.assert_close(level.detail[6:][inside] * spread, first.detail[:2][moved], atol=1e-3, rtol=0)
    # In the other phases a row or column without a partner is left out.
    assert bool(level.known[:2].all()) and not bool(level.known[6:, 0].any() | level.known[6:, :, 0].any())
    assert bool(level.known[6:, 1:-1, 1:].all())


def test_a_relation_has_one_coefficient_for_all_phases(monkeypatch: pytest.MonkeyPatch) -> None:
    height = rough()
    coarse = torch.stack([2 - 3 * height, 1 - 3 * height])
    found = {}
    for cells in (0, 10_000):
        monkeypatch.setattr(levels_module, "FEW_CELLS", cells)
        level = made_of(coarse, height)[0]
        relation = BlockSums(level).fit(Shrinkage(0.03, 0.3))
        assert relation.dates.shape == (2, len(level.values))
        explained = contributions(level, relation)
        assert explained.shape == level.values.shape
        left = (level.detail - explained.sum(0))[level.known]
        assert float(left.square().mean()) < 0.01 * float(level.detail[level.known].square().mean())
        found[level.phases] = relation.dates[:, 0]
    assert set(found) == {1, 4}
    torch.testing.assert_close(found[1], found[4], rtol=0.05, atol=0)


def test_a_law_stands_out_from_its_means_as_its_covariate_does() -> None:
    height = rough(24, 24)
    covariates = {"height": CovariateField(height[None, None], True)}
    standards = {"height": Standard.of(covariates["height"])}
    field = 4 - 0.5 * height
    space = WorkingSpace.of(field[None], TARGET)
    level = made_of(field[None], height)[0]
    own = next(iter(terms(covariates, standards, space.forward(field[None]), 2))).values
    inside = (slice(None), slice(8, -8), slice(8, -8))
    ratio = level.detail[:1][inside] / own[inside]
    assert float(ratio.std()) < 1e-3 * float(ratio.mean().abs())


def test_holes_take_nothing_from_the_rest_that_is_expected() -> None:
    drawn = torch.Generator().manual_seed(3)
    coarse = torch.randn(40, 24, 24, generator=drawn)
    space = WorkingSpace.of(coarse, TARGET)

    def here(field: Tensor) -> float:
        pairs = levels(field, {}, {}, space)
        return unexplained(pairs, [level.detail for level in pairs], space).here

    whole = here(coarse)
    holes = torch.where(torch.rand(coarse.shape, generator=drawn) < 0.5, coarse, torch.nan)
    assert here(holes) == pytest.approx(whole, rel=0.25)
    level = levels(holes, {}, {}, space)[0]
    plain = float(level.detail[level.known].square().mean())
    assert plain < 0.8 * whole  # what it would be without counting them


def test_beside_a_hole_the_covariate_is_averaged_over_the_same_cells_as_the_field() -> None:
    height = rough(24, 24)
    field = (4 - 0.5 * height)[None]
    holes = torch.rand(field.shape, generator=torch.Generator().manual_seed(4)) < 0.4
    for level in made_of(torch.where(holes, torch.nan, field), height)[:2]:
        assert int(level.known.sum()) > 50
        detail, own = level.detail[level.known], level.values[0][level.known]
        slope = (detail * own).sum() / own.square().sum()
        assert float((detail - slope * own).square().sum() / detail.square().sum()) < 3e-3
