"""What a method is fitted on: which cells, which dates, which covariates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.feedback import Silent
from engine.fields.coarse_stack import CoarseStack
from engine.fields.conservation import aggregate
from engine.fields.patch import Patch
from engine.fields.windows import narrowed
from engine.methods.interface import FittedMethod
from engine.methods.registry import baseline
from engine.pipeline import fit_data
from engine.pipeline.fit_data import coarse_stack
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.run_plan import prepare
from engine.pipeline.tiles import Tile
from engine.raster.reference import GridRequest, RasterRef
from engine.specs import TargetSpec

K = 2
FIELD = np.arange(60 * 50, dtype=np.float32).reshape(60, 50)
DATES = [f"{year}-{month:02d}" for year in range(2001, 2004) for month in range(1, 13)]


@pytest.fixture()
def base(write_raster, tmp_path: Path) -> SuperResolveRequest:
    """A run on 60 × 50 cells of half a degree, with a fine covariate that is the field itself."""
    target = write_raster("t.tif", FIELD, 0.5, 10, 60)
    fine = write_raster("f.tif", FIELD.repeat(K, 0).repeat(K, 1), 0.5 / K, 10, 60)
    sources = {"same": RasterRef(fine)}
    return SuperResolveRequest("sharpen", RasterRef(target), str(tmp_path / "o.tif"), sources, factor=K)


def stack_of(request: SuperResolveRequest, **spec: str) -> tuple[CoarseStack, Patch]:
    """Return the data of a fit, and the patch of the output's first tile."""
    with prepare(request) as plan:
        target = replace(plan.choice.target, **spec)
        made = coarse_stack(plan.inputs, plan.grids, target, plan.dates, Silent())
        return made, plan.inputs.patch(Tile(0, 0, 4, 4), 3, plan.dates[-1])


def test_the_whole_field_and_covariates_averaged_onto_it(base: SuperResolveRequest) -> None:
    made, patch = stack_of(base)
    np.testing.assert_array_equal(made.target[0], FIELD)
    np.testing.assert_allclose(made.covariates["same"][0, 0], FIELD)
    assert made.dates == (None,) and made.area is None
    assert list(made.corner) == patch.origin[0].tolist()


def test_a_margin_around_a_part_where_the_target_has_it(base: SuperResolveRequest) -> None:
    # Rows 10 to 19 and columns 30 to 39: 10 cells lie above, 10 to the right, more elsewhere.
    grid = GridRequest(extent=(25, 50, 30, 55), resolution=0.25)
    made, patch = stack_of(replace(base, grid=grid))
    np.testing.assert_array_equal(made.target[0], FIELD[0:36, 14:50])
    np.testing.assert_allclose(made.covariates["same"][0, 0], FIELD[0:36, 14:50])
    row, column = patch.origin[0].tolist()
    assert made.corner == (row - 10, column - 16)


def test_of_a_large_field_the_middle(base: SuperResolveRequest, monkeypatch) -> None:
    monkeypatch.setattr(fit_data, "MOST_CELLS", 15 * 13)
    made, patch = stack_of(base)
    top, left = (a - b for a, b in zip(made.corner, patch.origin[0].tolist(), strict=True))
    rows, columns = made.target.shape[1:]
    assert (
        150 < rows * columns <= 195 and abs(top - (60 - rows) / 2) < 1 and abs(left - (50 - columns) / 2) < 1
    )
    np.testing.assert_array_equal(made.target[0], FIELD[top : top + rows, left : left + columns])


def test_an_even_sample_of_many_dates(base: SuperResolveRequest, write_raster, monkeypatch) -> None:
    stack = FIELD + np.arange(36, dtype=np.float32)[:, None, None]
    target = RasterRef(write_raster("stack.tif", stack, 0.5, 10, 60, dates=DATES))
    request = replace(base, target=target, all_dates=True)
    assert len(stack_of(request)[0].dates) == 36
    monkeypatch.setattr(fit_data, "MOST_CELLS", 3 * FIELD.size)
    made, _ = stack_of(request)
    assert [str(when) for when in made.dates] == ["2001-01", "2002-07", "2003-12"]
    np.testing.assert_array_equal(made.target[1], stack[18])


def test_rows_weigh_by_area_where_the_target_says_so(base: SuperResolveRequest) -> None:
    area = stack_of(base, weights="area")[0].area
    latitude = np.deg2rad(60 - 0.25 - 0.5 * np.arange(60))
    np.testing.assert_allclose(area / area[0], np.cos(latitude) / np.cos(latitude[0]), rtol=1e-4)


def test_means_by_area_are_kept_by_what_is_fitted_so(base: SuperResolveRequest) -> None:
    with prepare(base) as plan:
        spec = replace(plan.choice.target, weights="area")
        method = replace(plan.choice, target=spec).method()
        assert isinstance(method, FittedMethod)
        method.fit(coarse_stack(plan.inputs, plan.grids, spec, plan.dates, Silent()), lambda: None)
        plan.inputs.spec = spec
        patch = plan.inputs.patch(Tile(0, 0, 60, 50), method.halo, None)
        made = method.predict(patch)
    edge = patch.halo * K
    area = patch.area[:, edge:-edge]
    torch.testing.assert_close(aggregate(made, K, area)[0], torch.from_numpy(FIELD), rtol=1e-5, atol=1e-3)


def test_a_window_in_a_thinner_halo_keeps_its_date(base: SuperResolveRequest, write_raster) -> None:
    target = RasterRef(write_raster("dated.tif", FIELD, 0.5, 10, 60, dates=["2001-05"]))
    _, patch = stack_of(replace(base, target=target))
    assert str(patch.date) == str(narrowed(patch, 1).date) == "2001-05"


def test_borders_without_data_and_coarse_covariates_are_left_out(
    base: SuperResolveRequest, write_raster
) -> None:
    holed = FIELD.copy()
    holed[:7], holed[:, 45:] = np.nan, np.nan
    target = RasterRef(write_raster("holed.tif", holed, 0.5, 10, 60))
    same = RasterRef(write_raster("coarse.tif", FIELD, 0.5, 10, 60))
    made, patch = stack_of(replace(base, target=target, sources={**base.sources, "coarse": same}))
    np.testing.assert_array_equal(made.target[0], FIELD[7:, :45])
    assert list(made.covariates) == ["same"] and made.corner[0] == int(patch.origin[0, 0]) + 7


def test_a_date_that_was_not_fitted_takes_its_season_or_the_mean() -> None:
    from engine.dates import When, parse

    def chosen(fitted: Sequence[When | None], wanted: When | None) -> int:
        method = baseline("sharpen", 2, TargetSpec("temperature", "degC"))
        coarse = torch.randn(len(fitted), 12, 12, generator=torch.Generator().manual_seed(0))
        method.fit(CoarseStack(coarse, {}, tuple(fitted)), lambda: None)
        return method._number(wanted)

    fitted = [parse(date) for date in ("2001-01", "2001-07", "2003-01")]
    wanted = ("2001-07", "2002-12", "2001-12", "2009-02")
    assert [chosen(fitted, parse(date)) for date in wanted] == [1, 2, 0, 2]
    assert chosen(fitted, parse("2009")) == chosen(fitted, None) == 3
    assert chosen([None], None) == 0
