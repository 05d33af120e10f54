"""The bound of ratios to a climatology: where it bites, how the cell is filled, and that means stay."""

from __future__ import annotations

import pytest
import torch

from engine.disaggregation.base_field import base_field
from engine.disaggregation.climatology_ratio import departure, disaggregate
from engine.disaggregation.interpolation import interpolate
from engine.disaggregation.peak_bound import LARGEST_PEAK, beyond_bound
from engine.fields.conservation import aggregate, conserve
from engine.fields.patch import Patch
from engine.fields.windows import crop
from engine.specs import SourceSpec, TargetSpec

RAIN = TargetSpec("rain", "mm", transform="log1p", bounds=(0.0, None), conservation="multiplicative")
CLIMATOLOGY = SourceSpec("climatology", "mm", "fine", kind="climatology", optional=False)
FACTOR, SIZE, MARGIN = 16, 20, 8


def desert(target: torch.Tensor, bands: int = 1) -> Patch:
    """Return a patch over a climatology that is dry but for a trace in one fine cell of each coarse one."""
    fine = torch.zeros(1, bands, SIZE * FACTOR, SIZE * FACTOR)
    fine[..., 5::FACTOR, 7::FACTOR] = 0.001
    return Patch(FACTOR, MARGIN, target, climatology=fine, climatology_distance=torch.zeros(1, bands))


def test_a_ratio_beyond_the_bound_is_none() -> None:
    coarse = torch.tensor([[[1.0, 50.0, 101.0, 0.0, 5.0]]])
    mean = torch.tensor([[[1.0, 1.0, 1.0, 0.0, 0.0]]])
    expected = torch.tensor([[[1.0, 10.0, torch.nan, 0.0, torch.nan]]])
    torch.testing.assert_close(departure(coarse, mean, RAIN), expected, equal_nan=True)


def test_a_peak_is_compared_with_the_cells_around() -> None:
    coarse = torch.ones(1, 3, 6)
    coarse[0, 1, 4] = 5.0
    dry = torch.zeros(1, 6, 12)
    field = torch.ones(1, 2, 8)
    field[0, 0, 1], field[0, 1, 5] = 10.5, 49.0  # of the 2nd and the 4th coarse column, beside the wet one
    assert beyond_bound(field, coarse, dry, 2, 1).tolist() == [[[True, False, False, False]]]
    field[0, 0, 0] = torch.nan
    assert beyond_bound(field, coarse, dry, 2, 1).tolist() == [[[True, False, False, False]]]


@pytest.mark.parametrize(("usual", "beyond"), [(1.0, True), (1.1, False), (torch.nan, True)])
def test_a_peak_that_the_climatology_knows_is_none_too_many(usual: float, beyond: bool) -> None:
    coarse = torch.full((1, 3, 5), 0.02)  # the last snow: none in the valleys, some on the tops
    climatology = torch.zeros(1, 2, 6, 10)
    climatology[0, 1, 3, 1] = usual  # a top beside the cell, in one of the bands
    field = torch.zeros(1, 2, 6)
    field[0, 0, 0] = 10.5
    assert beyond_bound(field, coarse, climatology, 2, 1).tolist() == [[[beyond, False, False]]]


def test_the_tops_keep_the_last_snow() -> None:
    patch = desert(torch.full((1, SIZE, SIZE), 0.01))
    patch.climatology[..., 5::FACTOR, 7::FACTOR] = 2.0  # all snow of a coarse cell, in each season
    field = disaggregate(patch, patch.climatology[:, 0], RAIN)
    torch.testing.assert_close(field, patch.climatology[0, :, : field.shape[-2], : field.shape[-1]] * 1.28)


@pytest.mark.parametrize("rain", [5.0, 0.0])
def test_rain_in_a_desert_is_interpolated_and_not_heaped(rain: float) -> None:
    patch = desert(torch.full((1, SIZE, SIZE), rain))
    field = disaggregate(patch, patch.climatology[:, 0], RAIN)
    torch.testing.assert_close(field, torch.full_like(field, rain))


@pytest.mark.parametrize("bands", [1, 12])
def test_the_base_of_models_is_bounded_too(bands: int) -> None:
    coarse = torch.zeros(1, SIZE, SIZE)
    coarse[0, 10, 10] = 50.0
    patch = desert(coarse, bands)
    patch.climatology[..., 5::FACTOR, 7::FACTOR] = 500.0  # 25 times the climatology, and all in one cell
    field = base_field(patch, RAIN, [CLIMATOLOGY], 0)
    own = crop(coarse, MARGIN)
    torch.testing.assert_close(aggregate(field, FACTOR), own)
    assert float(field.min()) == 0 and float(field.max()) <= LARGEST_PEAK * 500


def test_beside_the_bound_nothing_changes() -> None:
    generator = torch.Generator().manual_seed(3)
    patch = desert(torch.full((1, SIZE, SIZE), 5.0))
    patch.climatology = 2 + 8 * torch.rand(1, 1, SIZE * FACTOR, SIZE * FACTOR, generator=generator)
    whole = disaggregate(patch, patch.climatology[:, 0], RAIN)
    patch.climatology[..., 10 * FACTOR : 11 * FACTOR, 10 * FACTOR : 11 * FACTOR] = 0.01
    field = disaggregate(patch, patch.climatology[:, 0], RAIN)
    cell = slice(2 * FACTOR, 3 * FACTOR)
    smooth = interpolate(patch.target, FACTOR, RAIN, "bicubic", MARGIN)
    smooth = conserve(smooth, crop(patch.target, MARGIN), FACTOR, RAIN)
    torch.testing.assert_close(field[:, cell, cell], smooth[:, cell, cell])
    torch.testing.assert_close(field[:, : FACTOR // 2], whole[:, : FACTOR // 2])
