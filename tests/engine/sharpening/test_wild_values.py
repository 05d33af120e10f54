"""Values far from all others are told, with what lies around them; rough or skewed covariates are not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.sharpening.wild_values import wild_values


def heights() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).gamma(2.0, 400, (1, 1, 30, 40)))


def test_one_wild_cell_is_told_with_its_value() -> None:
    values = heights()
    values[0, 0, 3, 4] = 2.5e6
    values[0, 0, 5, 5] = torch.nan
    (line,) = wild_values({"slope": heights(), "dem": values})
    assert line.startswith("dem: one coarse cell is 2.5e+06, where nearly all lie between")
    assert "declare them as nodata" in line


def test_the_farthest_of_several_is_told_though_it_is_below() -> None:
    values = heights()
    values[0, 0, 3, :2] = 3e5
    values[0, 0, 9, 9] = -1e9
    (line,) = wild_values({"dem": values})
    assert "3 coarse cells are up to -1e+09" in line


@pytest.mark.parametrize("deviation", [0.0, 1.0, 1.5])
def test_skewed_fields_are_none(deviation: float) -> None:
    # As of the area that drains through a cell: a few cells are far above all others.
    values = np.random.default_rng(2).lognormal(3.0, deviation, (2, 2, 50, 50))
    assert not wild_values({"drained": torch.from_numpy(values)})


def test_one_storm_in_a_dry_field_is_none() -> None:
    rain = torch.zeros(4, 1, 40, 40)
    rain[1, 0, 3:9, 4:30] = torch.rand(6, 26, generator=torch.Generator().manual_seed(3)) * 40 + 1
    assert not wild_values({"target": rain})
    rain[1, 0, 3, 4] = 1e9
    assert "target: one coarse cell is 1e+09" in wild_values({"target": rain})[0]


def test_too_few_values_tell_nothing() -> None:
    values = torch.zeros(1, 1, 5, 5)
    values[..., 0, 0] = 1e9
    assert not wild_values({"dem": values})
