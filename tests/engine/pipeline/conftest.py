"""Runs of `sharpen` on rasters that the tests write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.pipeline.request import EnsembleRequest, SuperResolveRequest
from engine.raster.reference import RasterRef
from tests.engine.pipeline.noisy_rain import MEMBERS, package
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


@pytest.fixture(scope="session")
def noisy_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with a noise input."""
    return package(tmp_path_factory.mktemp("models"), "noisyrain", 2)


@pytest.fixture()
def drawn_run(noisy_model: Path, write_raster, tmp_path: Path) -> SuperResolveRequest:
    """An ensemble with every file that there can be, of a field with a hole and a dry corner."""
    rng = np.random.default_rng(1)
    rain = rng.gamma(2.0, 30, (9, 14)).astype(np.float32)
    rain[4, 9], rain[:4, :4] = np.nan, 0.0
    ground = rng.gamma(1.0, 400, (36, 56)).astype(np.float32)
    out = tmp_path / "out"
    out.mkdir()
    return SuperResolveRequest(
        model=str(noisy_model),
        target=RasterRef(write_raster("rain.tif", rain, 2.0, 11, 40, units="mm")),
        output=str(out / "mean.tif"),
        sources={"elevation": RasterRef(write_raster("dem.tif", ground, 0.5, 11, 40, units="m"))},
        precision="float32",
        seed=7,
        ensemble=EnsembleRequest(
            MEMBERS,
            spread=str(out / "spread.tif"),
            quantiles=str(out / "quantiles.tif"),
            levels=(0.2, 0.5, 0.8),
            member_file=str(out / "members.tif"),
            support=str(out / "support.tif"),
        ),
    )
