"""The bench's own rasters, and what it does when a run fails."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from engine.errors import EngineError
from engine.package.card import Card
from engine.pipeline.request import SuperResolveRequest
from engine.raster.reference import RasterRef
from engine.specs import SourceSpec, TargetSpec
from training.bench import training
from training.bench.__main__ import WorkerClient, peak_memory
from training.bench.rasters import BLOCK, make_rasters
from training.bench.training import loading, make_store, store_settings
from training.data.lazy import LazyArray
from training.data.readers import load_archive
from training.schema.config import parse_config

SOURCES = (
    SourceSpec("temperature", "degC", "coarse", dynamic=True, range=(-40.0, 40.0)),
    SourceSpec("elevation", "m", "fine", range=(-100.0, 5000.0)),
    SourceSpec("climatology", "mm/month", "fine", kind="climatology"),
)


@pytest.fixture(scope="module")
def rasters(tmp_path_factory) -> dict[str, Path]:
    target = TargetSpec("rain", "mm/month", range=(0.0, 500.0))
    card = Card("m", "M", "1.0.0", 8, target, SOURCES, {}, {}, True, {})
    return make_rasters(tmp_path_factory.mktemp("bench"), card, 80)


@pytest.mark.parametrize(
    ("name", "cells", "span"),
    [
        ("target", 80, (0, 500)),
        ("temperature", 80, (-40, 40)),
        ("elevation", 640, (-100, 5000)),
        ("climatology", 640, (0, 500)),
    ],
)
def test_rasters_cover_one_place_and_stay_in_range(rasters, name: str, cells: int, span) -> None:
    with rasterio.open(rasters[name]) as raster, rasterio.open(rasters["target"]) as target:
        assert raster.shape == (cells, cells)
        np.testing.assert_allclose(raster.bounds, target.bounds)
        values = raster.read(1, masked=True) * raster.scales[0] + raster.offsets[0]
    assert span[0] <= values.min() < values.max() <= span[1]
    assert values.std() > 0.05 * (span[1] - span[0])


def test_blocks_join_without_a_seam(rasters) -> None:
    with rasterio.open(rasters["elevation"]) as raster:
        values = raster.read(1).astype(float)
    steps = np.abs(np.diff(values, axis=1)).mean(0)
    assert steps[BLOCK - 1] < 1.5 * np.median(steps)


def test_a_climatology_has_a_dated_band_for_each_month(rasters) -> None:
    with rasterio.open(rasters["climatology"]) as raster:
        assert [raster.tags(band)["DATE"] for band in raster.indexes] == [f"--{m:02d}" for m in range(1, 13)]


@pytest.fixture
def baseline(rasters, tmp_path: Path) -> SuperResolveRequest:
    """A job for the command line's and the worker's real process: no model is needed."""
    target = RasterRef(str(rasters["target"]))
    return SuperResolveRequest("bilinear", target, str(tmp_path / "fine.tif"), factor=2)


def test_the_worker_is_spoken_to(baseline, tmp_path: Path) -> None:
    client = WorkerClient(tmp_path / "cache")
    try:
        client.run(baseline)
        assert Path(baseline.output).is_file()
        with pytest.raises(EngineError, match="nosuch"):
            client.run(SuperResolveRequest("nosuch", baseline.target, baseline.output))
        client.run(baseline)
    finally:
        client.close()


def test_a_run_that_fails_gives_no_peak(baseline) -> None:
    with pytest.raises(EngineError, match="status 2"):
        peak_memory(SuperResolveRequest("nosuch", baseline.target, baseline.output))


def test_the_bench_trains_on_a_store_read_from_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "DAYS", 95)
    monkeypatch.setattr("training.preparation.prepare.write_summary", lambda *_: None)
    settings = store_settings(make_store(tmp_path))
    settings.update(
        network={"widths": [8, 8, 8, 8], "boxes": [0, 0, 0, 0]}, precision="float32", layout="contiguous"
    )
    settings["sampling"].update(size=8, batch=1)
    assert isinstance(load_archive(parse_config(settings)).fine, LazyArray)
    for kept in (True, False):
        found = loading(settings, tmp_path, 3, kept)
        assert 0 <= found["waiting"] < found["step"] and found["making"] > 0
        assert found["share"] == found["waiting"] / found["step"]
