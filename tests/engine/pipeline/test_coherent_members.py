"""Members that change little by little from date to date."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import rasterio

from engine.errors import InputError
from engine.feedback import Silent
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.reference import RasterRef
from tests.engine.pipeline.noisy_rain import MEMBERS, read_all


def test_members_are_coherent_in_time_where_that_is_asked_for(
    drawn_run: SuperResolveRequest, write_raster
) -> None:
    with rasterio.open(drawn_run.target.path) as file:
        rain = file.read(1, masked=True).filled(np.nan)
    days = ["2001-01-01", "2001-01-02", "2001-01-09", "2001-03-01"]
    dated = write_raster("dated.tif", np.stack(4 * [rain]), 2.0, 11, 40, units="mm", dates=days)
    ensemble = replace(drawn_run.ensemble, coherence=10.0)
    request = replace(drawn_run, target=RasterRef(dated), all_dates=True, ensemble=ensemble, overwrite=True)
    super_resolve(request, Silent())
    members = read_all(request)["members"].reshape(4, MEMBERS, 36, 56)
    apart = members - members.mean(1, keepdims=True)
    size = np.nanmean(apart[0] ** 2) ** 0.5
    steps = [float(np.nanmean((apart[i] - apart[0]) ** 2) ** 0.5 / size) for i in (1, 2, 3)]
    assert 0.05 < steps[0] < 0.35 and steps[0] < 0.6 * steps[1] < steps[2]
    assert steps[2] == pytest.approx(2**0.5, rel=0.15)  # nothing in common
    with rasterio.open(request.output) as file:
        assert file.tags()["MSR_COHERENCE_DAYS"] == "10"
    super_resolve(replace(request, all_dates=False, date=days[2]), Silent())
    np.testing.assert_array_equal(read_all(request)["members"], members[2])
    for wrong, target, words in (
        (10.0, drawn_run.target, "needs dates with years and months"),
        (1e-300, RasterRef(dated), "must be 0, or from 0.01 to 36525 days"),
        (float("nan"), RasterRef(dated), "must be 0, or from"),
    ):
        drawn = replace(ensemble, coherence=wrong)
        asked = replace(request, target=target, ensemble=drawn, all_dates=target.path == dated)
        with pytest.raises(InputError, match=words):
            super_resolve(asked, Silent())
