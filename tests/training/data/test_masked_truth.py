"""Hidden truth reads as NaN however it is asked for, and nothing that trains can see it."""

from __future__ import annotations

import numpy as np
import pytest

from training.data.masked_truth import mask_truth
from training.data.patches import PatchSampler, View, Window, cut
from training.data.region import Region, truth_of
from training.schema.config import SamplingSection

K = 2


@pytest.fixture
def cells():
    """Of 12 × 20 coarse cells, a block in the middle and a corner are not shown."""
    shown = np.ones((12, 20), bool)
    shown[4:8, 6:12] = False
    shown[0, 19] = False
    return shown


@pytest.mark.parametrize(
    "key",
    [
        3,
        slice(2, 5),
        [1, 4, 4],
        (2, slice(3, 20), slice(5, 30)),
        (slice(None), 9, 13),
        ([0, 5], slice(None), slice(10, 14)),
        (Ellipsis, slice(8, 30)),
        (1, np.arange(6, 18)[:, None], np.array([39, 0, 1, 13])),
        (None, 2),
    ],
    ids=str,
)
def test_any_look_sees_holes_where_numpy_would(archive, cells, key):
    whole = np.where(cells.repeat(K, 0).repeat(K, 1), archive.fine, np.nan).astype(np.float32)
    hidden = mask_truth(archive, cells)
    np.testing.assert_array_equal(np.asarray(hidden.fine[key]), whole[key])
    assert hidden.fine.shape == archive.fine.shape
    assert np.isfinite(archive.fine).all()  # the archive itself is as it was
    np.testing.assert_array_equal(hidden.coarse, archive.coarse)


def test_nothing_is_hidden_without_cells_and_wrong_ones_are_refused(archive):
    assert mask_truth(archive, None) is archive
    with pytest.raises(ValueError, match="not those"):
        mask_truth(archive, np.ones((3, 4), bool))


def test_scores_count_a_regions_cells_only(archive, cells):
    truth, coarse = truth_of(archive, Region((3,), (2, 15), cells), 3)
    np.testing.assert_array_equal(np.isfinite(coarse), cells[:, 2:15])
    np.testing.assert_array_equal(np.isfinite(truth), cells[:, 2:15].repeat(K, 0).repeat(K, 1))
    everything, _ = truth_of(archive, Region((3,), (2, 15)), 3)
    np.testing.assert_array_equal(truth[np.isfinite(truth)], everything[np.isfinite(truth)])


def test_the_climatology_is_made_of_known_cells_only(archive, cells):
    view = View(("climatology", "elevation"), (0, 1), climatology_cells=cells)
    patch, truth = cut(archive, [Window(5, 0, 0)], archive.shape, 0, view)
    fine = cells.repeat(K, 0).repeat(K, 1)
    for band in patch.climatology[0]:
        np.testing.assert_array_equal(np.isfinite(band.numpy()), fine)
    assert np.isfinite(truth.numpy()).all()
    fewer = view.without(["elevation"])
    assert fewer.climatology_cells is cells and fewer.sources == ("climatology",)


@pytest.mark.parametrize("wet", [0.0, 0.7])
def test_windows_are_drawn_where_truth_is_known(archive, cells, wet):
    shown = cells & False
    shown[:5, :7] = True
    sampler = PatchSampler(
        archive, [0, 1], (0, 20), 1, SamplingSection(size=4, batch=400, wet_bias=wet), shown
    )
    shares = [
        shown[w.row : w.row + 4].take(range(w.column, w.column + 4), 1, mode="wrap").mean()
        for w in sampler.windows(np.random.default_rng(0))
    ]
    assert min(shares) > 0
    assert np.mean(shares) > 0.6
