"""Topographic position and sky view, on ground whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter
from torch.nn import functional

from engine.errors import InputError
from engine.features import terrain
from engine.features.network_inputs import channel_names, source_channels
from engine.features.terrain import sky_view, topographic_position
from engine.fields.patch import Patch
from engine.specs import SourceSpec, TargetSpec

TARGET = TargetSpec("rain", "mm")


def sizes(rows, height=100.0, width=100.0):
    return torch.full((1, rows, 1), height), torch.full((1, rows, 1), width)


def test_position_is_the_height_above_the_squares_mean():
    field = np.random.default_rng(0).gamma(2, 300, (30, 40))
    for radius in (1, 4):
        found = topographic_position(torch.tensor(field, dtype=torch.float32)[None], radius)[0].numpy()
        inside = (slice(radius, -radius), slice(radius, -radius))
        expected = field - uniform_filter(field, 2 * radius + 1)
        np.testing.assert_allclose(found[inside], expected[inside], atol=2e-3)


@pytest.mark.parametrize(("rows", "columns"), [(7, 40), (33, 34), (65, 200), (1, 1)])
@pytest.mark.parametrize("radius", [1, 16])
def test_the_mean_of_ones_is_that_of_each_cell(rows, columns, radius):
    ones = torch.ones(1, rows, columns)
    shortcut = terrain._full_square_mean(ones.shape, radius, ones)
    assert torch.equal(shortcut, terrain._square_mean(ones, radius))


def test_ground_looks_the_same_in_pieces(monkeypatch):
    height = torch.rand(1, 30, 20, generator=torch.Generator().manual_seed(2)) * 900
    height[0, 3:5, 7] = math.nan
    looks = [(sky_view(height, *sizes(30), 5), topographic_position(height, 4))]
    monkeypatch.setattr(terrain, "_CELLS", 140)
    looks.append((sky_view(height, *sizes(30), 5), topographic_position(height, 4)))
    for one, other in zip(*looks, strict=True):
        assert torch.equal(one.isnan(), height.isnan())
        assert torch.equal(one.nan_to_num(), other.nan_to_num())


@pytest.mark.parametrize("cut", [2, 5, 9])
@pytest.mark.parametrize("hole", [False, True])
def test_what_nobody_looks_at_is_not_made_and_the_rest_stays(cut, hole):
    height = torch.rand(2, 30, 34, generator=torch.Generator().manual_seed(4)) * 900
    if hole:
        height[0, 3:5, 7:9] = math.nan
        height[1, 15, 15] = math.nan
    inside = (slice(None), slice(cut, -cut), slice(cut, -cut))
    sky, position = sky_view(height, *sizes(30), 5, cut), topographic_position(height, 5, cut)
    assert torch.equal(sky.nan_to_num(9), sky_view(height, *sizes(30), 5)[inside].nan_to_num(9))
    whole = topographic_position(height, 5)[inside]
    torch.testing.assert_close(position, whole, equal_nan=True, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("size", [1, 2, 3, 8, 13, 16, 65])
@pytest.mark.parametrize("axis", [-1, -2])
def test_sums_of_neighbours_are_those_added_one_by_one(size, axis):
    field = torch.arange(70.0 * 67).view(1, 70, 67) % 101
    sums = terrain._window_sum(field, size, axis)
    assert torch.equal(sums, field.unfold(axis, size, 1).sum(-1))


def test_position_leaves_out_cells_without_data():
    plain = torch.full((1, 12, 12), 1500.0)
    plain[0, 4:7, 4:7] = math.nan
    found = topographic_position(plain, 2)
    assert torch.equal(found.isnan(), plain.isnan())
    assert found.nan_to_num().abs().max() < 1e-3, "level ground stays level at a hole and at the edge"


def test_open_ground_sees_all_of_the_sky():
    assert torch.equal(sky_view(torch.full((1, 9, 9), 300.0), *sizes(9), 4), torch.ones(1, 9, 9))
    cone = -torch.hypot(*torch.meshgrid(*[torch.arange(9.0) - 4] * 2, indexing="ij"))[None] * 100
    assert sky_view(cone, *sizes(9), 4)[0, 4, 4] == 1, "nothing is higher than a summit"


def test_a_pit_sees_what_its_rim_leaves():
    pit = torch.full((1, 9, 9), 100.0)
    pit[0, 4, 4] = 0
    straight, diagonal = (1 / math.sqrt(1 + d**2) for d in (1, math.sqrt(2)))
    assert sky_view(pit, *sizes(9), 4)[0, 4, 4].item() == pytest.approx(1 - (straight + diagonal) / 2)
    wall = torch.zeros(1, 9, 9)
    wall[..., 6:] = 1e7
    seen = sky_view(wall, *sizes(9), 4)[0, 4, 5].item()
    assert seen == pytest.approx(1 - 3 / 8, abs=1e-3), "three of eight directions end at the wall"


def test_cells_are_as_long_as_they_are():
    ridge = torch.zeros(1, 9, 9)
    ridge[0, 2] = 200.0  # two cells northwards of row 4
    near, far = (sky_view(ridge, *sizes(9, height), 4)[0, 4, 4].item() for height in (100.0, 1000.0))
    assert near < far < 1


@pytest.mark.parametrize(
    ("feature", "grid"),
    [
        *((feature, grid) for feature in ("position", "skyview") for grid in ("coarse", "fine")),
        *((feature, "fine") for feature in ("relief", "exposure", "standardised")),
    ],
)
def test_features_look_no_further_than_two_coarse_cells(feature, grid):
    """So that a field cut into tiles gives what the whole one gives."""
    k, coarse = 3, 11
    n = coarse * k if grid == "fine" else coarse
    height = torch.rand(1, 1, n, n, generator=torch.Generator().manual_seed(1)) * 900
    source = SourceSpec("elevation", "m", grid, derived=(feature,))

    def features(values, cells):
        size = torch.tensor([200.0, 100.0])[None, :, None].expand(1, 2, cells * k)
        fields = {"elevation": values}
        patch = Patch(k, 0, torch.zeros(1, cells, cells), **{grid: fields}, cell_size=size)
        channels = source_channels(source, patch, TARGET)
        assert channels.shape[1] == len(channel_names(source))
        return channels[:, 1:]

    step = n // coarse
    whole = features(height, coarse)
    part = features(height[..., 2 * step : 8 * step, 2 * step : 8 * step], 6)
    inside = slice(2 * step, 4 * step)
    same = slice(4 * step, 6 * step)
    torch.testing.assert_close(part[..., inside, inside], whole[..., same, same], atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("radius", [1, 2, 4, 7, 8, 32])
def test_position_sums_over_squares_of_any_size(radius):
    height = 1000 * torch.rand(1, 40, 50, generator=torch.Generator().manual_seed(radius))
    padded = functional.pad(height.double(), (radius,) * 4)
    total = functional.avg_pool2d(padded[:, None], 2 * radius + 1, 1)[0, 0]
    inside = functional.pad(torch.ones_like(height).double(), (radius,) * 4)
    count = functional.avg_pool2d(inside[:, None], 2 * radius + 1, 1)[0, 0]
    found = topographic_position(height, radius)[0].double()
    assert torch.allclose(found, height[0].double() - total / count, atol=2e-3)


def ground(feature, height, k=4):
    """Return a feature's channels of one field of heights, (C, H, W)."""
    n = height.shape[-1]
    size = torch.full((1, 2, n), 100.0)
    fields = {"elevation": height[None, None]}
    patch = Patch(k, 0, torch.zeros(1, n // k, n // k), fine=fields, cell_size=size)
    source = SourceSpec("elevation", "m", "fine", derived=(feature,), value=False)
    return source_channels(source, patch, TARGET)[0]


def test_a_cell_stands_among_those_of_its_coarse_cell():
    height = torch.rand(8, 8, generator=torch.Generator().manual_seed(2)) * 900
    standardised, deviation = ground("standardised", height)
    block = height[4:, :4]
    torch.testing.assert_close(standardised[4:, :4], (block - block.mean()) / block.std(correction=0))
    torch.testing.assert_close(deviation[4:, :4], block.std(correction=0).expand(4, 4))
    assert torch.equal(ground("standardised", torch.full((8, 8), 5.0)), torch.zeros(2, 8, 8))


def test_exposure_is_the_slope_of_the_ground_at_large():
    east = torch.arange(32.0).expand(32, 32) * 7
    bumps = torch.rand(32, 32, generator=torch.Generator().manual_seed(3)) * 20
    found = ground("exposure", east + bumps, k=8)[:, 12:20, 12:20]
    assert found.shape[0] == 4
    assert abs(float(found[2].mean()) - 0.07) < 0.01 and abs(float(found[3].mean())) < 0.01
    assert found[2].std() < found[0].std()


def test_relief_stands_out_at_three_scales():
    height = torch.zeros(24, 24)
    height[12, 12] = 81.0
    found = ground("relief", height)[:, 12, 12]
    torch.testing.assert_close(found, 81 - torch.tensor([9.0, 81 / 25, 1.0]), atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("feature", ["anomaly", "relief", "exposure", "standardised"])
def test_what_is_within_coarse_cells_is_refused_of_a_coarse_source(feature):
    source = SourceSpec("elevation", "m", "coarse", derived=(feature,))
    patch = Patch(2, 0, torch.zeros(1, 4, 4), {"elevation": torch.zeros(1, 1, 4, 4)})
    with pytest.raises(InputError, match="coarse source"):
        source_channels(source, patch, TARGET)
