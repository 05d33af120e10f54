"""Statistics of the truth: right, and read one time at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from training.data.normalisation import physical_spread, target_spec
from training.data.split import split_archive
from training.schema.config import parse_config


class OneTime:
    """An array of times of which only one can be read at once."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.shape, self.dtype = values, values.shape, values.dtype

    def __getitem__(self, key):
        first = key[0] if isinstance(key, tuple) else key
        assert isinstance(first, (int, np.integer)), "several times were read at once"
        return self.values[key]


@pytest.mark.parametrize("holes", [False, True])
def test_statistics_stream_over_times(settings, archive, holes):
    settings["data"] = {"name": "small"}
    config = parse_config(settings)
    if holes:
        archive.fine[:, :5, :7] = np.nan
    streamed = replace(archive, fine=OneTime(archive.fine), coarse=OneTime(archive.coarse))
    split = split_archive(config, archive)
    target, times = target_spec(config, streamed, split), list(split.train.times)
    seen = np.log1p(archive.fine[times].astype(np.float64))
    assert target.mean == pytest.approx(np.nanmean(seen), rel=1e-6)
    assert target.std == pytest.approx(np.nanstd(seen), rel=1e-6)
    coarse = archive.coarse[times]
    assert target.range == (float(coarse.min()), float(coarse.max()))
    spread = np.nanstd(archive.fine[times].astype(np.float64))
    assert physical_spread(streamed, split) == pytest.approx(spread, rel=1e-6)
