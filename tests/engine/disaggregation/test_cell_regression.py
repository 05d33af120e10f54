"""A fitted regression holds on the cells that it was fitted on, found by their place, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.crs import CRS

from engine.disaggregation.base_field import BASE_HALO, base_field
from engine.disaggregation.cell_regression import CellRegression
from engine.disaggregation.cell_relation import CellRelation, neighbours, whole
from engine.fields.patch import Patch
from engine.fields.windows import crop
from engine.raster.georeference import Georeference
from engine.raster.grids import lattice, origin, window
from engine.specs import TargetSpec

K, ROWS, COLUMNS = 2, 5, 6
TARGET = TargetSpec("t", "K", mean=1.0, std=2.0)
PLACE = Georeference(CRS.from_epsg(32630), Affine(1000, 0, 7000, 0, -1000, 50000), COLUMNS, ROWS)
GRID = PLACE.geobox


def regression(place: Georeference = PLACE, **changes) -> CellRegression:
    drawn = torch.Generator().manual_seed(1)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(place.height, place.width, *shape, generator=drawn)

    relation = CellRelation(random(9), random(4), random(9, 4))
    known = torch.ones(place.height, place.width, dtype=torch.bool)
    return CellRegression(relation, known, 1, True, place, **changes)


def patch_on(grid: GeoBox, seed: int = 2, row: int = 0, column: int = 0, shape=None) -> Patch:
    """A patch of a run on a grid, as the pipeline reads it."""
    drawn = torch.Generator().manual_seed(seed)
    rows, columns = grid.shape
    field = torch.randn(1, rows + 2 * BASE_HALO, columns + 2 * BASE_HALO, generator=drawn) * 3 + 1
    height, width = shape or (rows, columns)
    field = field[:, row : row + height + 2 * BASE_HALO, column : column + width + 2 * BASE_HALO]
    first = torch.tensor([origin(window(grid, row, column, 1, 1))])
    return Patch(K, BASE_HALO, field.clone(), origin=first, lattice=lattice(grid))


def test_it_is_what_its_relation_says_in_the_working_space():
    patch, fitted = patch_on(GRID), regression()
    field, cells = fitted.field(patch, TARGET)
    seen = neighbours((patch.target - 1) / 2, BASE_HALO, 1)
    relation = fitted.relation
    away = torch.einsum("bhwp,hwpq->bhwq", seen - relation.mean, relation.weights)
    expected = base_field(patch, TARGET, (), 0) + 2 * whole(relation.level + away, K)
    assert bool(cells.all()) and torch.allclose(field, expected, rtol=1e-4, atol=1e-4)


def test_a_run_that_reaches_further_has_it_where_it_was_fitted_alone():
    wide = window(GRID, -2, -3, ROWS + 3, COLUMNS + 4)
    patch = patch_on(wide)
    field, cells = regression().field(patch, TARGET)
    inside = torch.zeros(1, ROWS + 3, COLUMNS + 4, dtype=torch.bool)
    inside[:, 2 : 2 + ROWS, 3 : 3 + COLUMNS] = True
    assert torch.equal(cells, inside)
    base = base_field(patch, TARGET, (), 0)
    fine = inside.repeat_interleave(K, 1).repeat_interleave(K, 2)
    assert torch.equal(field[~fine], base[~fine])
    own = replace(patch, origin=torch.tensor([origin(GRID)]))
    own.target = patch.target[:, 2:-1, 3:-1].contiguous()
    alone, _ = regression().field(own, TARGET)
    assert torch.allclose(field[fine], alone.flatten(), atol=1e-5)
    assert regression().share_of(wide) == pytest.approx(ROWS * COLUMNS / ((ROWS + 3) * (COLUMNS + 4)))


@pytest.mark.parametrize(
    "grid",
    [
        GeoBox((ROWS, COLUMNS), Affine(1000, 0, 7300, 0, -1000, 50000), "EPSG:32630"),
        GeoBox((ROWS, COLUMNS), Affine(900, 0, 7000, 0, -900, 50000), "EPSG:32630"),
        GeoBox((ROWS, COLUMNS), GRID.affine, "EPSG:32631"),
        GeoBox((ROWS, COLUMNS), Affine(1000, 0, 70000, 0, -1000, 50000), "EPSG:32630"),
    ],
    ids=["between", "finer", "another zone", "far away"],
)
def test_on_other_cells_it_is_interpolation(grid):
    patch = patch_on(grid)
    field, cells = regression().field(patch, TARGET)
    assert not bool(cells.any()) and regression().share_of(grid) == 0
    assert torch.equal(field, base_field(patch, TARGET, (), 0))


def test_cells_that_a_file_gives_with_rounded_coordinates_are_the_same():
    rounded = GeoBox((ROWS, COLUMNS), Affine(1000.0001, 0, 7002, 0, -999.9999, 50001), "EPSG:32630")
    assert regression().share_of(rounded) == 1
    assert bool(regression().field(patch_on(rounded), TARGET)[1].all())


def test_tiles_are_exact():
    fitted = regression()
    whole_field, _ = fitted.field(patch_on(GRID), TARGET)
    tile, _ = fitted.field(patch_on(GRID, row=1, column=2, shape=(3, 4)), TARGET)
    assert torch.equal(whole_field[:, K : 4 * K, 2 * K : 6 * K], tile)


def test_round_the_globe_a_column_is_itself_at_every_turn():
    globe = Georeference(CRS.from_epsg(4326), Affine(10, 0, -180, 0, -10, 20), 36, 4)
    fitted = regression(globe)
    across = GeoBox((4, 6), Affine(10, 0, 150, 0, -10, 20), "EPSG:4326")  # over the date line
    over = fitted.overlap(lattice(across), origin(across), (4, 6))
    assert over is not None and over.own_columns.tolist() == [33, 34, 35, 0, 1, 2]
    part = Georeference(CRS.from_epsg(4326), Affine(0.44, 0, -8.8, 0, -0.44, 44), 20, 4)  # no whole turn
    shifted = GeoBox((4, 20), Affine(0.44, 0, 351.2, 0, -0.44, 44), "EPSG:4326")
    assert regression(part).share_of(shifted) == 1
    assert bool(regression(part).field(patch_on(shifted), TARGET)[1].all())


def test_a_window_of_a_block_of_dates_sees_the_fit_to_the_others():
    fitted = regression()
    other = fitted.relation.scaled(2.0)
    fitted = replace(fitted, folds=(fitted.relation, other))
    twice = patch_on(GRID)
    twice = replace(twice, target=twice.target.repeat(3, 1, 1), origin=twice.origin.repeat(3, 1))
    field, _ = fitted.field(replace(twice, fold=torch.tensor([-1, 0, 1])), TARGET)
    assert torch.equal(field[0], field[1]) and not torch.allclose(field[1], field[2], atol=0.1)
    expected, _ = replace(fitted, relation=other, folds=()).field(patch_on(GRID), TARGET)
    assert torch.equal(field[2:], expected)


def test_it_is_missing_where_the_coarse_cell_is():
    patch = patch_on(GRID)
    patch.target[0, BASE_HALO + 1, BASE_HALO + 2] = torch.nan
    field, _ = regression().field(patch, TARGET)
    hole = torch.isnan(crop(patch.target, BASE_HALO)).repeat_interleave(K, 1).repeat_interleave(K, 2)
    assert torch.equal(torch.isnan(field), hole)
