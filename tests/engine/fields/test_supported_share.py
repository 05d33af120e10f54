"""The supported share of the detail, on ensembles whose answer is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.fields.supported_share import RING, SupportedShare

K = 8


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def share_of(members: Tensor, smooth: Tensor | None = None, factor: int = K) -> Tensor:
    gathered = SupportedShare(torch.zeros(members.shape[1:]) if smooth is None else smooth, factor)
    for member in members:
        gathered.add(member)
    return gathered.share()


def test_members_that_agree_are_wholly_supported() -> None:
    same = drawn(1, 8 * K, 9 * K).expand(5, -1, -1)
    share = share_of(same)
    assert share.shape == (4 * K, 5 * K)
    torch.testing.assert_close(share, torch.ones_like(share))


@pytest.mark.parametrize("count", [2, 5, 20])
def test_noise_alone_has_no_support_however_few_members(count: int) -> None:
    cells = 60
    share = share_of(drawn(count, cells * K, cells * K, seed=1))
    # Half of the estimates are below zero and cut off there: the mean of the others stays small.
    assert share.median() < 0.01
    assert share.mean() < 0.04


@pytest.mark.parametrize("wanted", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("count", [4, 20])
def test_a_known_mix_is_found(wanted: float, count: int) -> None:
    size = 40 * K
    signal, noise = drawn(size, size, seed=2), drawn(count, size, size, seed=3)
    share = share_of(wanted**0.5 * signal + (1 - wanted) ** 0.5 * noise)
    assert float(share.mean()) == pytest.approx(wanted, abs=0.02)
    assert float(share.std()) < 0.1


def test_the_share_follows_the_place() -> None:
    size = 20 * K
    noisy = (torch.arange(size) >= size // 2).float()
    share = share_of(drawn(size, size, seed=4) + 3 * noisy * drawn(10, size, size, seed=5))
    half = size // 2 - RING * K
    assert share[:, : half - RING * K].min() > 0.999
    assert float(share[:, half + RING * K :].mean()) == pytest.approx(0.1, abs=0.03)


def test_a_slope_that_interpolation_gives_is_no_detail() -> None:
    size = 8 * K
    slope = torch.linspace(0, 50, size).expand(size, size)
    noise = drawn(6, size, size, seed=6)
    torch.testing.assert_close(share_of(slope + noise, slope), share_of(noise), atol=1e-3, rtol=0)
    assert share_of(slope + noise).mean() > 0.5  # it is, where nothing is taken off


def test_the_mean_of_a_coarse_cell_is_no_detail() -> None:
    size = 6 * K
    level = drawn(6, 6, seed=7).mul(10).repeat_interleave(K, 0).repeat_interleave(K, 1)
    noise = drawn(6, size, size, seed=8)
    torch.testing.assert_close(share_of(level + noise), share_of(noise), atol=1e-3, rtol=0)


def test_without_detail_or_value_there_is_no_share() -> None:
    size, edge = 12 * K, RING * K
    members = drawn(4, size, size, seed=9) + 100
    members[:, :, : 6 * K] = 100.0
    members[:, :edge] = torch.nan
    members[:, 7 * K + 3, 9 * K] = torch.nan
    share = share_of(members)
    assert share[:, : 6 * K - 2 * edge].isnan().all()  # further than the neighbourhood from any detail
    assert share[: 4 * K, 6 * K - edge :].isfinite().all()
    assert share[7 * K + 3 - edge, 9 * K - edge].isnan()
    assert share[7 * K + 3 - edge, 9 * K - edge - 1].isfinite()
    uniform = share_of(torch.full((3, size, size), 280.0) + 1e-5 * drawn(3, size, size))
    assert uniform.isnan().all()  # rounding of temperatures is no detail


def test_a_part_is_the_same_as_in_the_whole() -> None:
    size = 12 * K
    members, smooth = drawn(5, size, size, seed=10).exp() * 30, drawn(size, size, seed=11).abs()
    whole = share_of(members, smooth)
    for row, col, rows, cols in ((0, 0, 4, 5), (1, 0, 7, 8), (7, 7, 1, 1)):
        around = 2 * RING
        part = (slice(row * K, (row + rows + around) * K), slice(col * K, (col + cols + around) * K))
        inner = whole[row * K : (row + rows) * K, col * K : (col + cols) * K]
        torch.testing.assert_close(
            share_of(members[(slice(None), *part)], smooth[part]), inner, rtol=0, atol=1e-6
        )


def test_a_factor_of_three_and_the_weights_of_the_surroundings() -> None:
    k, rows, cols = 3, 7, 6
    members = drawn(3, rows * k, cols * k, seed=12)
    share = share_of(members, factor=k)
    assert share.shape == ((rows - 2 * RING) * k, (cols - 2 * RING) * k)
    blocks = members.unflatten(1, (rows, k)).unflatten(3, (cols, k))
    detail = (blocks - blocks.mean((2, 4), keepdim=True)).flatten(3, 4).flatten(1, 2)
    fall = (2 * k + 1 - torch.arange(-2 * k, 2 * k + 1).abs()).float()
    weights = torch.outer(fall, fall) / fall.sum() ** 2
    for row, col in ((0, 0), (4, 5), (8, 2)):
        near = detail[:, row : row + 4 * k + 1, col : col + 4 * k + 1]
        noise = (near.var(0) * weights).sum()
        signal = (near.mean(0).square() * weights).sum() - noise / 3
        expected = (signal / (signal + noise)).clamp(0, 1)
        torch.testing.assert_close(share[row, col], expected, rtol=1e-4, atol=1e-5)
