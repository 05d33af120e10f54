"""Constructed analogues: the right months are found, tiles equal the whole, holes stay holes."""

from __future__ import annotations

import pytest
import torch

from engine.disaggregation.constructed_analogues import HALO, analogue_field, enough_bands, fit
from engine.fields.conservation import aggregate, conserve
from engine.specs import TargetSpec

K = 4
RAIN = TargetSpec("rain", "mm", transform="log1p", bounds=(0.0, None), conservation="multiplicative")
WARMTH = TargetSpec("temperature", "degC", mean=10.0, std=8.0)


def make_bands(target: TargetSpec, count: int = 5, cells: int = 24, seed: int = 0) -> torch.Tensor:
    """Return (1, count, cells·K, cells·K) random fields, rough at both scales."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.randn(1, count, cells, cells, generator=random)
    rough = coarse.repeat_interleave(K, -1).repeat_interleave(K, -2)
    rough = rough + 0.5 * torch.randn(1, count, cells * K, cells * K, generator=random)
    return 40 * torch.exp(0.6 * rough) if target is RAIN else 10 + 8 * rough


def inner(fine: torch.Tensor) -> torch.Tensor:
    return fine[..., HALO * K : -HALO * K, HALO * K : -HALO * K]


@pytest.mark.parametrize("target", [RAIN, WARMTH])
def test_finds_the_band_that_fits(target):
    bands = make_bands(target)
    truth = bands[:, 3]
    coarse = aggregate(truth, K)
    distance = torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0]])  # the season speaks for the first
    field = conserve(analogue_field(coarse, bands, distance, K, target, HALO), inner_cells(coarse), K, target)
    seasonal = conserve(inner(bands[:, 0]), inner_cells(coarse), K, target)
    error, other = (field - inner(truth)).square().mean(), (seasonal - inner(truth)).square().mean()
    assert error < 0.05 * other


def inner_cells(coarse: torch.Tensor) -> torch.Tensor:
    return coarse[..., HALO:-HALO, HALO:-HALO]


def test_a_withheld_band_is_not_seen():
    bands = make_bands(RAIN)
    coarse = aggregate(bands[:, 3], K)
    distance = torch.tensor([[1.0, 2.0, 3.0, torch.inf, 5.0]])
    first = analogue_field(coarse, bands, distance, K, RAIN, HALO)
    changed = bands.clone()
    changed[:, 3] = torch.nan
    assert torch.equal(analogue_field(coarse, changed, distance, K, RAIN, HALO), first)
    # In a batch another sample may use the band that this one must not see.
    both = torch.cat([distance, torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0]])])
    mixed = analogue_field(coarse.repeat(2, 1, 1), changed.repeat(2, 1, 1, 1), both, K, RAIN, HALO)
    assert torch.allclose(mixed[0], first[0], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("target", [RAIN, WARMTH])
def test_tiles_equal_the_whole_with_holes(target):
    bands = make_bands(target)
    coarse = aggregate(bands[:, 2], K) * 1.1
    coarse[:, 10, 12] = torch.nan
    bands[..., 40:44, 60:62] = torch.nan
    distance = torch.tensor([[0.0, 1.0, 2.0, 3.0, 4.0]])
    whole = analogue_field(coarse, bands, distance, K, target, HALO)
    low, high = 3, 7
    cells = slice(low, high + 2 * HALO)
    pixels = slice(low * K, (high + 2 * HALO) * K)
    tile = analogue_field(coarse[:, cells, cells], bands[..., pixels, pixels], distance, K, target, HALO)
    expected = whole[:, low * K : high * K, low * K : high * K]
    scale = float(expected[torch.isfinite(expected)].abs().max())
    assert torch.equal(torch.isnan(tile), torch.isnan(expected))
    assert torch.isnan(tile).any()
    assert (tile - expected).nan_to_num().abs().max() <= 1e-5 * scale


def test_weights_fall_back_to_the_season():
    means = torch.ones(1, 3, 9, 9) * 5
    distance = torch.tensor([[0.0, 1.0, torch.inf]])
    weights, rest = fit(torch.full((1, 9, 9), 7.0), means, distance, RAIN)
    expected = torch.softmax(torch.tensor([0.0, -1.0]), 0)
    centre = weights[0, :, 4, 4]
    assert torch.allclose(centre, torch.cat([expected, torch.zeros(1)]), atol=1e-5)
    assert float(rest[0, 4, 4]) == pytest.approx(2.0, abs=1e-4)


def test_bounds_are_kept_and_few_bands_refused():
    bands = make_bands(RAIN)
    coarse = torch.zeros(1, 24, 24)
    coarse[:, 12, 12] = 500.0
    field = analogue_field(coarse, bands, torch.zeros(1, 5), K, RAIN, HALO)
    assert torch.isfinite(field).all() and field.min() >= 0
    assert enough_bands(torch.tensor([[0.0, 1.0, 2.0]]))
    assert not enough_bands(torch.tensor([[0.0, 1.0, 2.0], [0.0, 1.0, torch.inf]]))
