"""Factors of a cell: interpolated between quantiles, and ranked in a period's own distribution."""

from __future__ import annotations

import numpy as np
import pytest

from engine.bias.factors import BiasFactors, group_number, own_quantiles
from engine.dates import When
from engine.specs import BiasSpec

NODES = np.array([0.0, 0.5, 1.0], np.float32)


def factors(method: str = "quantile_mapping", kind: str = "additive", cells: int = 1) -> BiasFactors:
    """Two parts of the year, three quantiles 10, 20, 40 of the product; the second part's are doubled."""
    source = np.array([10.0, 20.0, 40.0], np.float32)
    added = np.array([1.0, 3.0, -1.0], np.float32)
    shape = (2, 3, 1, cells)
    times = np.array([1, 2], np.float32)[:, None]
    spread = [np.broadcast_to((times * each)[:, :, None, None], shape).copy() for each in (source, added)]
    return BiasFactors(BiasSpec(method, kind, "month", (1, 2), (1, 2)), NODES, *spread)


def test_between_quantiles_the_factor_is_interpolated_and_beyond_them_it_stays() -> None:
    held = factors(cells=6)
    values = np.array([[5.0, 10.0, 15.0, 30.0, 50.0, np.nan]], np.float32)
    expected = [[6.0, 11.0, 17.0, 31.0, 49.0, np.nan]]
    np.testing.assert_allclose(held.apply(values, 0), expected, rtol=1e-6)
    ratios = factors(kind="multiplicative", cells=6)
    np.testing.assert_allclose(ratios.apply(values, 0)[0, :4], [5.0, 10.0, 30.0, 30.0], rtol=1e-6)
    stacked = held.apply(np.stack([values, values + 10]), 1)
    np.testing.assert_allclose(stacked[0, 0, :3], [7.0, 12.0, 17.0], rtol=1e-6)
    np.testing.assert_allclose(stacked[1, 0, :3], [17.0, 22.0, 28.0], rtol=1e-6)


def test_a_period_of_its_own_keeps_its_change() -> None:
    """All quantiles of the product 100 higher: the factors are those of the same quantiles."""
    held = factors("quantile_delta_mapping")
    stack = np.array([110.0, 140.0, 120.0], np.float32)[:, None, None]
    np.testing.assert_allclose(held.apply_delta(stack, 0)[:, 0, 0], [111.0, 139.0, 123.0])
    np.testing.assert_allclose(held.apply(stack, 0)[:, 0, 0], [109.0, 139.0, 119.0])  # the last, for each


def test_equal_values_share_their_rank_and_missing_ones_have_none() -> None:
    stack = np.array([3.0, 0.0, np.nan, 0.0, 7.0], np.float32)[:, None, None]
    np.testing.assert_allclose(own_quantiles(stack)[:, 0, 0], [1.5 / 2.5, 0.0, np.nan, 0.0, 1.0])
    assert (own_quantiles(np.ones((3, 1, 1), np.float32)) == 0).all()


def test_a_cell_lacks_factors_where_one_part_of_the_year_does() -> None:
    held = factors(cells=3)
    held.factors[1, :, 0, 1] = np.nan
    assert held.fitted.tolist() == [[True, False, True]]
    assert np.isnan(held.apply(np.full((1, 3), 15.0, np.float32), 1)).tolist() == [[False, True, False]]


@pytest.mark.parametrize(
    ("group", "numbers"),
    [("all", [0] * 12), ("season", [1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 1]), ("month", list(range(1, 13)))],
)
def test_parts_of_the_year(group: str, numbers: list[int]) -> None:
    assert [group_number(group, month) for month in range(1, 13)] == numbers


def test_the_month_tells_the_part_of_the_year() -> None:
    assert factors().group_of(When(None, 2)) == 1
    whole = BiasSpec("mean", "additive", "all", (0,), tuple(range(1, 13)))
    one = np.zeros((1, 1, 1, 1), np.float32)
    assert BiasFactors(whole, NODES[:1], one, one).group_of(None) == 0
