"""The climatology's weighted mean where bands are missing, in fields larger than a piece."""

from __future__ import annotations

import numpy as np
import torch

from engine.fields.climatology import weighted_mean


def test_missing_bands_take_no_part_wherever_they_are_missing():
    rng = np.random.default_rng(0)
    bands = rng.random((2, 5, 150, 200)).astype(np.float32)
    bands[:, 1, 20:30, 40:90] = np.nan
    bands[0, 3, 149, 199] = np.inf
    bands[:, :, 100:104] = np.nan  # in every band
    weights = np.array([[0.1, 0.2, 0.3, 0.4, 0.0], [0.5, 0.0, 0.2, 0.2, 0.1]], dtype=np.float32)
    valid = np.isfinite(bands)
    share = weights[:, :, None, None] * valid
    with np.errstate(invalid="ignore"):
        expected = (share * np.where(valid, bands, 0)).sum(1) / share.sum(1)
    found = weighted_mean(torch.from_numpy(bands), torch.from_numpy(weights)).numpy()
    assert np.allclose(found, expected, rtol=1e-5, equal_nan=True)
    assert np.isnan(found[:, 100:104]).all() and np.isnan(found).sum() == 2 * 4 * 200
