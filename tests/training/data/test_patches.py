"""Patches: where they are cut, what they may see, and what must go round the globe."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from training.data.patches import PatchSampler, View, Window, cut, withheld_block
from training.schema.config import SamplingSection

ALL = View(("temperature", "elevation", "aspect", "climatology"), tuple(range(9)))


def test_a_window_across_the_date_line_joins_both_edges(archive):
    patch, truth = cut(archive, [Window(2, 4, 18)], (3, 4), 1, ALL)
    expected = np.concatenate([archive.fine[2, 8:14, 36:], archive.fine[2, 8:14, :4]], 1)
    assert np.array_equal(truth[0].numpy(), expected)
    inner = patch.fine["elevation"][0, 0, 2:-2, 2:-2].numpy()
    elevation = archive.sources["elevation"].values[0, 0]
    assert np.array_equal(inner, np.concatenate([elevation[8:14, 36:], elevation[8:14, :4]], 1))
    assert torch.isfinite(patch.target).all()


def test_a_halo_before_the_first_column_is_the_last_one(archive):
    patch, _ = cut(archive, [Window(0, 4, 0)], (3, 4), 2, ALL)
    assert np.array_equal(patch.target[0, 2:5, :2].numpy(), archive.coarse[0, 4:7, -2:])


def test_without_wrap_and_beyond_the_poles_there_is_no_data(archive):
    patch, _ = cut(replace(archive, wrap=False), [Window(0, 0, 0)], (3, 4), 2, ALL)
    assert torch.isnan(patch.target[0, :2]).all() and torch.isnan(patch.target[0, :, :2]).all()
    assert torch.isnan(patch.fine["elevation"][0, 0, :4]).all()
    assert torch.isfinite(patch.target[0, 2:, 2:]).all()


def test_coarse_and_fine_are_aligned(archive):
    patch, truth = cut(archive, [Window(5, 2, 3), Window(6, 1, 19)], (4, 5), 0, ALL)
    mean = torch.nn.functional.avg_pool2d(truth[:, None], 2)[:, 0]
    assert torch.allclose(mean, patch.target, rtol=1e-5)
    assert patch.coarse["temperature"].shape == (2, 1, 4, 5)
    assert patch.cell_size.shape == (2, 2, 8)


def test_flips_mirror_every_field_and_turn_directions(archive):
    plain, truth = cut(archive, [Window(5, 2, 3)], (4, 4), 1, ALL)
    flipped, mirrored = cut(archive, [Window(5, 2, 3, flip_horizontal=True)], (4, 4), 1, ALL)
    assert torch.equal(mirrored, truth.flip(-1))
    assert torch.equal(flipped.target, plain.target.flip(-1))
    assert torch.equal(flipped.climatology, plain.climatology.flip(-1))
    assert torch.equal(flipped.fine["aspect"][:, 0], -plain.fine["aspect"][:, 0].flip(-1))  # sine: east
    assert torch.equal(flipped.fine["aspect"][:, 1], plain.fine["aspect"][:, 1].flip(-1))


@pytest.mark.parametrize("offset", range(3))
@pytest.mark.parametrize("month", [1, 6, 12])
def test_a_withheld_block_is_cyclic_and_holds_the_month(month, offset):
    block = withheld_block(month, 3, offset)
    assert month in block and len(block) == 3
    assert all(1 <= m <= 12 for m in block)
    start = min(m for m in block if (m - 2) % 12 + 1 not in block) if len(block) < 12 else 1
    assert {(start - 1 + i) % 12 + 1 for i in range(3)} == block


def test_a_sample_never_sees_its_own_month(archive):
    sampler = PatchSampler(archive, range(9), (0, 20), 1, SamplingSection(size=4, batch=64))
    seen_blocks = set()
    windows = sampler.windows(np.random.default_rng(0))
    patch, _ = cut(archive, windows, sampler.size, 1, ALL)
    for window, distance in zip(windows, patch.climatology_distance, strict=True):
        month = int(archive.months[window.time])
        withheld = {int(archive.months[t]) for t, d in enumerate(distance) if torch.isinf(d)}
        assert month in withheld
        assert withheld == {m for m in window.withheld if m <= 9}
        assert len(window.withheld) == 3
        seen_blocks.add((month, window.withheld))
        for index, d in enumerate(distance):
            if torch.isfinite(d):
                gap = abs(month - (index + 1))
                assert d == min(gap, 12 - gap) >= 1
    assert len({block for month, block in seen_blocks if month == 5}) == 3  # the block's place is random


def test_training_windows_stay_inside_their_columns(archive):
    sampler = PatchSampler(archive, [0, 1], (4, 14), 1, SamplingSection(size=4, batch=200))
    windows = sampler.windows(np.random.default_rng(1))
    assert {w.column for w in windows} == set(range(4, 11))
    assert {w.time for w in windows} == {0, 1}


def test_the_climatology_of_held_out_columns_is_hidden(archive):
    view = View(("climatology",), (0, 1), (0, 10))
    patch, _ = cut(archive, [Window(4, 2, 8)], (4, 4), 0, view)
    assert torch.isfinite(patch.climatology[..., :4]).all()
    assert torch.isnan(patch.climatology[..., 4:]).all()


def test_a_wet_bias_draws_wetter_patches(archive):
    archive.coarse[:, :, :10] *= 0.01
    mean = []
    for bias in (0.0, 1.0):
        sampler = PatchSampler(
            archive, range(9), (0, 20), 0, SamplingSection(size=2, batch=300, wet_bias=bias)
        )
        patch, _ = sampler.batch(np.random.default_rng(2), View(()))
        mean.append(float(patch.target.mean()))
    assert mean[1] > 1.5 * mean[0]


def test_draws_depend_on_the_generator_alone(archive):
    sampler = PatchSampler(archive, range(9), (0, 20), 1, SamplingSection(size=4, batch=8))
    assert sampler.windows(np.random.default_rng([7, 3])) == sampler.windows(np.random.default_rng([7, 3]))
    assert sampler.windows(np.random.default_rng([7, 3])) != sampler.windows(np.random.default_rng([7, 4]))


def test_jitter_scales_the_target_and_its_climatology_alone(archive):
    view = View(("climatology", "elevation"), (0, 1))
    plain, truth = cut(archive, [Window(4, 2, 8)], (4, 4), 0, view)
    louder, scaled = cut(archive, [Window(4, 2, 8, gain=2.5)], (4, 4), 0, view)
    for one, other in (
        (plain.target, louder.target),
        (truth, scaled),
        (plain.climatology, louder.climatology),
    ):
        torch.testing.assert_close(other, 2.5 * one)
    assert torch.equal(plain.fine["elevation"], louder.fine["elevation"])
    sampler = PatchSampler(archive, range(9), (0, 20), 1, SamplingSection(size=4, batch=400, jitter=0.4))
    gains = np.log([w.gain for w in sampler.windows(np.random.default_rng(3))])
    assert abs(gains.mean()) < 0.08 and abs(gains.std() - 0.4) < 0.05


@pytest.mark.parametrize("wrap", [True, False])
@pytest.mark.parametrize("columns", [None, (0, 10), (3, 20)])
@pytest.mark.parametrize(
    ("row", "column", "halo"), [(0, 0, 3), (4, 18, 1), (7, 15, 4), (2, -3, 2), (1, 19, 23)]
)
def test_every_cell_is_the_one_at_its_place(archive, wrap, columns, row, column, halo):
    """Windows inside and across every edge, against rows and columns looked up one by one."""
    archive = replace(archive, wrap=wrap)
    view = View(("climatology",), (0, 3), columns)
    patch, _ = cut(archive, [Window(4, row, column)], (3, 4), halo, view)
    for found, known, k, seen in (
        (patch.target[0], archive.coarse[4], 1, None),
        (patch.climatology[0, 1], archive.fine[3], 2, columns),
    ):
        height, width = known.shape
        first, last = (0, width) if seen is None else (seen[0] * k, seen[1] * k)
        expected = np.full(found.shape, np.nan, np.float32)
        for i in range(expected.shape[0]):
            for j in range(expected.shape[1]):
                y, x = (row - halo) * k + i, (column - halo) * k + j
                x = x % width if wrap else x
                if 0 <= y < height and first <= x < last:
                    expected[i, j] = known[y, x]
        assert np.array_equal(found.numpy(), expected, equal_nan=True)
