"""Rasters for the form that a newcomer uses."""

from __future__ import annotations

import numpy
import pytest


@pytest.fixture
def hills(write_raster, tmp_path):
    """Parameters of msr:sharpen: a coarse field (32 × 32 cells) that follows a fine raster `ground` (× 4)."""
    drawn = numpy.random.default_rng(3)
    ground = drawn.normal(size=(128, 128)).cumsum(0).cumsum(1).astype("float32") / 20
    coarse = 15 - ground.reshape(32, 4, 32, 4).mean((1, 3))
    return {
        "TARGET": write_raster("coarse.tif", coarse, 0.0, 50.0, 0.4, units="degC"),
        "COVARIATES": [write_raster("ground.tif", ground, 0.0, 50.0, 0.1, units="m")],
        "OUTPUT": str(tmp_path / "fine.tif"),
    }
