"""Factors laid over a run's cells and dates."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from engine.bias.correction import BiasCorrection
from engine.bias.factors import FEWEST_DATES, BiasFactors
from engine.dates import When
from engine.errors import InputError
from engine.specs import BiasSpec


def grid(rows: int, columns: int, left: float = 0.0, top: float = 50.0, step: float = 2.0) -> GeoBox:
    return GeoBox((rows, columns), Affine(step, 0, left, 0, -step, top), "EPSG:4326")


def shifting(shape: tuple[int, int], method: str = "mean", top: float = 50.0) -> BiasCorrection:
    """Adds 1 to the first cell, 2 to the next, …; the last has no factor."""
    added = np.arange(1, shape[0] * shape[1] + 1, dtype=np.float32).reshape(1, 1, *shape)
    added[..., -1, -1] = np.nan
    nodes = np.array([0.5], np.float32)
    if method != "mean":
        added, nodes = added.repeat(2, 1), np.array([0, 1], np.float32)
    months = tuple(range(1, 13))
    factors = BiasFactors(BiasSpec(method, "additive", "all", (0,), months), nodes, 0 * added, added)
    return BiasCorrection(factors, grid(*shape, top=top))


def test_a_window_finds_its_own_cells_and_is_missing_beyond_them() -> None:
    correction = shifting((2, 3))
    part = grid(3, 3, left=2.0, top=52.0)  # a row above, a column beyond
    made = correction.apply(np.zeros((3, 3), np.float32), part, None)
    nan = np.nan
    np.testing.assert_array_equal(made, [[nan, nan, nan], [2, 3, nan], [5, nan, nan]])
    assert correction.check(part, [None]) == pytest.approx(3 / 9)


def test_longitudes_of_another_turn_are_the_same_cells() -> None:
    correction = shifting((2, 3))
    moved = grid(1, 2, left=362.0)
    np.testing.assert_array_equal(correction.apply(np.zeros((1, 2), np.float32), moved, None), [[2, 3]])


def test_a_halo_goes_round_the_globe() -> None:
    correction = shifting((2, 180))
    seam = grid(1, 4, left=-4.0)
    made = correction.apply(np.zeros((1, 4), np.float32), seam, None)
    np.testing.assert_array_equal(made, [[179, 180, 1, 2]])


@pytest.mark.parametrize("other", [grid(2, 3, left=1.0), grid(2, 3, step=1.0), grid(2, 3, top=50.5)])
def test_other_cells_are_refused(other: GeoBox) -> None:
    correction = shifting((2, 3))
    assert correction.place(other) is None
    with pytest.raises(InputError, match="ask for a grid whose coarse cells are these"):
        correction.check(other, [None])


def test_a_run_without_any_fitted_cell_is_refused() -> None:
    with pytest.raises(InputError, match="none of the coarse cells under the output"):
        shifting((2, 3)).check(grid(1, 1, left=4.0, top=48.0), [None])


def test_a_period_of_too_few_dates_is_corrected_by_the_fit_and_that_is_told() -> None:
    correction = shifting((2, 3), "quantile_delta_mapping")
    days = [When(2085, 1, day) for day in range(1, FEWEST_DATES)]
    read = lambda cells, when: np.zeros((2, 3), np.float32)  # noqa: E731
    (told,) = correction.fit(days, read)
    assert f"{len(days)} of {len(days)} dates are corrected by quantile mapping" in told
    assert correction.in_words == "quantile mapping (additive)"
    assert correction.fit([*days, When(2085, 2, 1)], read) == []
    assert correction.in_words == "quantile delta mapping (additive)"


def test_the_periods_own_quantiles_count_tile_by_tile() -> None:
    correction = shifting((2, 3), "quantile_delta_mapping")
    correction.factors.factors[0, 1] += 10  # at the highest quantile
    days = [When(2085, 1 + i // 28, 1 + i % 28) for i in range(40)]
    values = {when: np.full((2, 3), 1000.0 + i, np.float32) for i, when in enumerate(days)}
    assert correction.fit(days, lambda cells, when: values[when]) == []
    part = grid(1, 1, left=2.0)
    made = [float(correction.apply(values[w][:1, 1:2], part, w)[0, 0]) - 1000 - i for i, w in enumerate(days)]
    np.testing.assert_allclose(made, np.linspace(2, 12, 40), rtol=1e-4)
