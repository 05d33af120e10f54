"""Runs of `sharpen` on rasters that the tests write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.pipeline.request import SuperResolveRequest
from engine.raster.reference import RasterRef
from tests.engine.pipeline.rough_ground import (
    CELL,
    UTM,
    block_mean,
)


@pytest.fixture()
def make(write_raster, tmp_path: Path):
    """Return a function that writes a target and covariates of a factor, and returns the request."""

    def made(
        k: int,
        truth: np.ndarray,
        dates: list[str] | None = None,
        name: str = "fine.tif",
        **sources: np.ndarray,
    ) -> SuperResolveRequest:
        target = write_raster("coarse.tif", block_mean(truth, k), CELL, **UTM, units="degC", dates=dates)
        refs = {n: RasterRef(write_raster(f"{n}.tif", x, CELL / k, **UTM)) for n, x in sources.items()}
        all_dates = dates is not None
        output = str(tmp_path / name)
        return SuperResolveRequest(
            "sharpen", RasterRef(target), output, refs, factor=k, quantity="signed", all_dates=all_dates
        )

    return made
