"""Numbers that mean missing: those that a file names, to its rounding, and those that it forgot to name."""

from __future__ import annotations

import numpy as np
import pytest

from engine.raster.missing_cells import MissingCells

RAIN = np.random.default_rng(0).gamma(2.0, 10.0, (12, 12)).astype("f4")


def holes(values: np.ndarray, named: tuple[float, ...] = (), labels: bool = False) -> np.ndarray:
    """Return where values are missing."""
    mask = MissingCells(named, (None, None), lambda: values).holes(values, labels)
    return np.zeros(values.shape, bool) if mask is None else mask


@pytest.mark.parametrize("number", [-9999, -99, -999.9, -32768, 1e20, 9.96921e36, -3.4028235e38, 9999, 99999])
def test_a_usual_number_far_from_the_rest_is_missing(number: float) -> None:
    values = RAIN.copy()
    values[:, :3] = number
    np.testing.assert_array_equal(holes(values), np.arange(12) < np.full((12, 1), 3))


@pytest.mark.parametrize("number", [-12345.0, -9998.0, 5000.0, 1e17])
def test_any_other_number_is_a_value(number: float) -> None:
    values = RAIN.copy()
    values[0, 0] = number
    assert not holes(values).any()


def test_a_usual_number_among_values_like_it_is_a_value() -> None:
    depths = np.linspace(-11000, 8000, 144, dtype="f4").reshape(12, 12)
    depths[4, 4] = -9999
    assert not holes(depths).any()
    cold = np.linspace(-120, 20, 144, dtype="f4").reshape(12, 12)
    cold[3, 3] = -99
    assert not holes(cold).any()


def test_several_unnamed_numbers_are_missing_together() -> None:
    values = RAIN.copy()
    values[0], values[1] = -9999, -8888
    missing = MissingCells((), (None, None), lambda: values)
    mask = missing.holes(values)
    assert mask is not None and mask[:2].all() and not mask[2:].any()
    assert sorted(missing.unnamed) == [-9999, -8888]


def test_a_rounded_tag_names_the_lowest_number() -> None:
    values = RAIN.copy()
    values[0] = -3.4028234663852886e38
    assert holes(values, (-3.4e38,))[0].all() and not holes(values, (-3.4e38,))[1:].any()


def test_class_numbers_are_missing_where_the_file_says_so_alone() -> None:
    cover = np.array([[10, 20, 255], [255, 20, 10]], "u1")
    assert not holes(cover, labels=True).any()
    assert holes(cover, (255,), labels=True).sum() == 2
    assert holes(cover).sum() == 2  # of a quantity, 255 is far from 10 to 20


def test_a_window_is_judged_by_the_whole_field() -> None:
    field = np.linspace(-11000, 8000, 144, dtype="f4").reshape(12, 12)
    window = np.array([[-9999.0, 10.0]], "f4")  # which alone would look like a gap
    mask = MissingCells((), (None, None), lambda: field).holes(window)
    assert mask is None


def test_a_field_of_nothing_else_is_missing() -> None:
    assert holes(np.full((3, 3), -9999.0, "f4")).all()
    assert not holes(np.full((3, 3), 99.0, "f4")).any()


def test_the_valid_range_of_a_file_counts() -> None:
    mask = MissingCells((), (0.0, 50.0), lambda: RAIN).holes(RAIN)
    np.testing.assert_array_equal(mask, RAIN > 50)


def test_a_whole_number_is_named_to_one_rounding_of_float32() -> None:
    values = RAIN.copy()
    values[0] = np.nextafter(np.float32(-9999), np.float32(0))
    assert holes(values, (-9999,))[0].all() and not holes(values, (-9999,))[1:].any()
    assert holes(values)[0].all() and not holes(values)[1:].any()  # and is usual to one too


def test_no_place_has_0_kelvin() -> None:
    warm = RAIN + 250
    warm[0, 0] = 0
    missing = MissingCells((), (None, None), lambda: warm, kelvin=True)
    mask = missing.holes(warm)
    assert mask is not None and mask[0, 0] and mask.sum() == 1 and missing.unnamed == [0]
    assert not holes(warm).any()  # in other units it may be a value
    spans = RAIN + 5
    spans[0, 0] = 0
    assert MissingCells((), (None, None), lambda: spans, kelvin=True).holes(spans) is None  # of a day, say
