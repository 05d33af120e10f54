"""Noise of a fine covariate, which the means above the data do not show."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from engine.sharpening.plausible import SLACK, detail_shares


def rough(edge: int, size: int = 256, seed: int = 0) -> torch.Tensor:
    """White noise on cells `edge` times as large, (1, size, size)."""
    noise = torch.randn(1, size // edge, size // edge, generator=torch.Generator().manual_seed(seed))
    return noise.repeat_interleave(edge, 1).repeat_interleave(edge, 2)


def self_affine(size: int = 256) -> torch.Tensor:
    """As much detail in each octave as half the one above it has."""
    parts = [rough(edge, size, edge) * (edge / size) ** 0.5 for edge in (1, 2, 4, 8, 16, 32, 64)]
    return torch.stack(parts).sum(0)


@pytest.mark.parametrize("steps", [(2, 2, 2), (2, 3), (5,)])
def test_all_of_a_fields_own_detail_is_kept(steps: tuple[int, ...]) -> None:
    field = self_affine()[:, :240, :240]
    assert detail_shares(field, steps).plausible == {cells: 1.0 for cells in _cells(steps)}


def test_patches_of_classes_are_kept() -> None:
    """They have four times the detail in each octave above the data too."""
    assert set(detail_shares((rough(2) > 0).float(), (2, 2)).plausible.values()) == {1.0}


def test_of_noise_that_the_means_hide_the_fields_own_share_is_kept() -> None:
    field, noise = self_affine(), 0.3 * rough(1, seed=99)
    shares = detail_shares(field + noise, (2, 2, 2)).plausible
    assert shares[8] < 0.5 and shares[8] < shares[4] <= shares[2] <= 1
    # Of the last octave: what is expected over what is there.
    own = field - F.avg_pool2d(field, 2).repeat_interleave(2, 1).repeat_interleave(2, 2)
    true = float(own.square().mean() / (own.square().mean() + 0.75 * 0.3**2))
    assert true < shares[8] < 8 * SLACK * true


def test_detail_counts_as_steady_as_far_as_it_is_that_of_the_octave_above() -> None:
    assert set(detail_shares(self_affine(), (2, 2, 2)).steady.values()) == {1.0}
    white = detail_shares(
        rough(1), (2, 2, 2)
    )  # four times the mean square in each octave, above the data too
    assert set(white.plausible.values()) == {1.0}
    for cells, share in white.steady.items():
        assert share == pytest.approx(1 / 4 ** (1 + (cells > 2) + (cells > 4)), rel=0.2)


def test_of_few_cells_it_is_told_what_is_steady_alone() -> None:
    few = detail_shares(rough(1, 48), (2, 2))  # 12 × 12 coarse cells
    assert few.plausible == {}
    assert few.steady[2] == pytest.approx(1 / 4, rel=0.4) and few.steady[4] == pytest.approx(1 / 16, rel=0.4)
    assert detail_shares(rough(1, 12), (2, 2)).steady == {}


def test_holes_do_not_count_and_little_tells_nothing() -> None:
    field = self_affine() + 0.3 * rough(1, seed=99)
    whole = detail_shares(field, (2, 2)).plausible
    field[:, :64] = math.nan
    holed = detail_shares(field, (2, 2)).plausible
    assert holed[4] == pytest.approx(whole[4], rel=0.3)
    assert detail_shares(field[:, 64:72, :8], (2, 2)).plausible == {}
    assert detail_shares(torch.zeros(1, 64, 64), (2, 2)).plausible == {}


def _cells(steps: tuple[int, ...]) -> list[int]:
    made, cells = [], 1
    for step in steps:
        cells *= step
        made.append(cells)
    return made
