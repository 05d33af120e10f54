"""Windows are drawn where there is a truth to learn from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.errors import InputError
from training.data.known_truth import truth_share, truth_weight
from training.data.patches import PatchSampler, View
from training.schema.config import SamplingSection


@pytest.fixture
def sparse(archive):
    """Truth in one corner of the map at most times, at one time nowhere."""
    fine = np.full_like(archive.fine, np.nan)
    fine[:, 2:8, 30:36] = archive.fine[:, 2:8, 30:36]
    fine[4] = np.nan
    return replace(archive, fine=fine, wrap=False)


@pytest.mark.parametrize("wet", [0.0, 0.5])
def test_on_a_sparse_domain_every_window_has_truth(sparse, wet):
    sampler = PatchSampler(sparse, range(9), (0, 20), 1, SamplingSection(size=4, batch=300, wet_bias=wet))
    windows = sampler.windows(np.random.default_rng(0))
    _, truth = sampler.batch(np.random.default_rng(0), View(()))
    found = np.isfinite(truth.numpy()).mean((1, 2))
    assert found.min() > 0 and found.mean() > 0.3
    assert {w.time for w in windows} == {0, 1, 2, 3, 5, 6, 7, 8}


def test_windows_weigh_by_their_truth():
    weight = truth_weight(np.array([0.0, 1e-12, 0.05, 0.25, 0.3, 1.0]))
    np.testing.assert_allclose(weight, [0, 0, 0.2, 1, 1, 1])


def test_a_missing_coarse_value_leaves_its_truth_without_use(archive):
    archive.coarse[2, 3, 4] = np.nan
    archive.fine[2, 0:2, 0] = np.nan
    share = truth_share(archive, [1, 2])
    assert (share[0] == 1).all() and share[1, 3, 4] == 0 and share[1, 0, 0] == 0.5


def test_without_any_truth_training_is_refused(archive):
    empty = replace(archive, fine=np.full_like(archive.fine, np.nan))
    with pytest.raises(InputError, match="split: what it trains on has no fine truth anywhere"):
        PatchSampler(empty, range(9), (0, 20), 1, SamplingSection(size=4))
