"""Conservation holds for every field: coarse means, bounds and holes, whatever is thrown at it."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine.fields.conservation import aggregate, conserve
from engine.specs import TargetSpec

FACTORS = st.integers(2, 5)
SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 4))


def means(fine: np.ndarray, factor: int, weights: np.ndarray | None = None) -> np.ndarray:
    """The weighted mean of each coarse cell's valid fine cells, in doubles, cell by cell."""
    rows, cols = (n // factor for n in fine.shape)
    found = np.full((rows, cols), np.nan)
    for row in range(rows):
        for col in range(cols):
            part = (slice(row * factor, (row + 1) * factor), slice(col * factor, (col + 1) * factor))
            block = fine[part].astype(np.float64)
            heavy = np.ones_like(block) if weights is None else np.repeat(weights[part[0], None], factor, 1)
            valid = np.isfinite(block)
            if valid.any():
                found[row, col] = (block[valid] * heavy[valid]).sum() / heavy[valid].sum()
    return found


@st.composite
def pairs(draw: st.DrawFn, low: float, high: float) -> tuple[np.ndarray, np.ndarray, int]:
    """A fine field with holes, a coarse one with holes, and the factor between them."""
    factor, (rows, cols) = draw(FACTORS), draw(SHAPES)
    numbers = st.floats(low, high, width=32)
    fine = draw(
        arrays(np.float32, (rows * factor, cols * factor), elements=st.one_of(numbers, st.just(np.nan)))
    )
    coarse = draw(arrays(np.float32, (rows, cols), elements=st.one_of(numbers, st.just(np.nan))))
    return fine, coarse, factor


def conserved(
    fine: np.ndarray, coarse: np.ndarray, factor: int, spec: TargetSpec, **more: object
) -> np.ndarray:
    """Conserve numpy fields."""
    given_fields = (torch.from_numpy(values)[None] for values in (fine, coarse))
    return conserve(*given_fields, factor, spec, **more)[0].numpy()  # type: ignore[arg-type]  # by name


def check(
    result: np.ndarray, fine: np.ndarray, coarse: np.ndarray, factor: int, weights: object = None
) -> None:
    """Holes where the coarse or the fine cell is missing; coarse means everywhere else."""
    inside = np.kron(np.isfinite(coarse), np.ones((factor, factor))).astype(bool)
    np.testing.assert_array_equal(np.isfinite(result), inside & np.isfinite(fine))
    there = np.isfinite(coarse) & np.isfinite(means(fine, factor))
    scale = max(float(np.nanmax(np.abs(coarse), initial=1.0)), float(np.nanmax(np.abs(fine), initial=0.0)))
    np.testing.assert_allclose(
        means(result, factor, weights)[there], coarse[there], atol=4e-6 * scale, rtol=2e-5
    )


@given(pairs(0, 2000))
def test_nonnegative_fields_keep_means_and_stay_so(drawn: tuple[np.ndarray, np.ndarray, int]) -> None:
    fine, coarse, factor = drawn
    spec = TargetSpec("rain", "mm", transform="log1p", bounds=(0.0, None), conservation="multiplicative")
    result = conserved(fine, coarse, factor, spec)
    check(result, fine, coarse, factor)
    assert np.nanmin(result, initial=0.0) >= 0
    zero = np.kron(coarse == 0, np.ones((factor, factor))).astype(bool) & np.isfinite(result)
    assert not result[zero].any()


@given(pairs(-80, 60))
def test_signed_fields_keep_means(drawn: tuple[np.ndarray, np.ndarray, int]) -> None:
    fine, coarse, factor = drawn
    result = conserved(fine, coarse, factor, TargetSpec("temperature", "degC"))
    check(result, fine, coarse, factor)


@given(pairs(0, 1))
def test_shares_keep_means_between_both_bounds(drawn: tuple[np.ndarray, np.ndarray, int]) -> None:
    fine, coarse, factor = drawn
    spec = TargetSpec("cover", "1", bounds=(0.0, 1.0))
    result = conserved(fine, coarse, factor, spec)
    check(result, fine, coarse, factor)
    assert np.nanmin(result, initial=0.0) >= 0 and np.nanmax(result, initial=0.0) <= 1 + 1e-6


@given(pairs(0, 500), st.data())
def test_weights_by_area_count(drawn: tuple[np.ndarray, np.ndarray, int], data: st.DataObject) -> None:
    fine, coarse, factor = drawn
    area = data.draw(arrays(np.float32, fine.shape[0], elements=st.floats(0.125, 1, width=32)))
    spec = TargetSpec("rain", "mm", bounds=(0.0, None), conservation="multiplicative", weights="area")
    result = conserved(fine, coarse, factor, spec, area=torch.from_numpy(area)[None])
    check(result, fine, coarse, factor, area)


@given(pairs(-1000, 1000))
def test_aggregates_are_means_of_what_is_there(drawn: tuple[np.ndarray, np.ndarray, int]) -> None:
    fine, _, factor = drawn
    found = aggregate(torch.from_numpy(fine)[None], factor)[0].numpy()
    np.testing.assert_allclose(found, means(fine, factor), atol=2e-3, equal_nan=True)


@given(pairs(0, 2000), st.floats(0, 1))
def test_strength_leaves_its_share_of_the_residual(
    drawn: tuple[np.ndarray, np.ndarray, int], strength: float
) -> None:
    fine, coarse, factor = drawn
    spec = TargetSpec("rain", "mm", bounds=(0.0, None), conservation="multiplicative")
    result = conserved(fine, coarse, factor, spec, strength=strength)
    there = np.isfinite(coarse) & np.isfinite(means(fine, factor))
    before = means(fine, factor)[there] - coarse[there]
    after = means(result, factor)[there] - coarse[there]
    np.testing.assert_allclose(after, (1 - strength) * before, atol=1e-2, rtol=1e-4)
