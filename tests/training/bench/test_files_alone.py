"""What files alone cost a run, and how near that lets it come to the bare network."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from engine.pipeline.request import SuperResolveRequest
from engine.raster.reference import RasterRef
from training.bench.files_alone import ceiling, files_alone


def _raster(path: Path, bands: int) -> RasterRef:
    noise = np.random.default_rng(0).random((bands, 600, 700)).astype(np.float32)
    shape = {"width": 700, "height": 600, "count": bands, "dtype": "float32", "compress": "deflate"}
    place = {"crs": "EPSG:4326", "transform": Affine(0.01, 0, 5, 0, -0.01, 50)}
    with rasterio.open(path, "w", driver="GTiff", **shape, **place) as raster:
        raster.write(noise)
    return RasterRef(str(path))


def test_every_band_is_unpacked_and_the_result_packed(tmp_path, monkeypatch):
    target, own = _raster(tmp_path / "target.tif", 1), _raster(tmp_path / "own.tif", 3)
    output = tmp_path / "fine.tif"
    _raster(output, 1)
    read, opened = [], rasterio.open

    def watched(path, *args, **kwargs):
        raster = opened(path, *args, **kwargs)
        take = getattr(raster, "read", None)

        def counted(*bands, **how):
            read.append((Path(path).name, *bands))
            return take(*bands, **how)

        if not args:
            raster.read = counted
        return raster

    monkeypatch.setattr(rasterio, "open", watched)
    start = time.process_time()
    seconds = files_alone(SuperResolveRequest("bilinear", target, str(output), {"own": own}))
    assert 0 < seconds <= time.process_time() - start
    taken = {one for one in read if len(one) == 2}
    assert taken == {("fine.tif", 1), ("own.tif", 1), ("own.tif", 2), ("own.tif", 3), ("target.tif", 1)}
    with opened(f"{output}.again.tif") as again, opened(output) as made:
        assert np.array_equal(again.read(1), made.read(1))
        assert again.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def test_the_ceiling_is_one_where_files_cost_nothing_and_falls_with_them():
    assert ceiling(0.0, 2.0, 2) == 1
    assert ceiling(4.0, 2.0, 2) == pytest.approx(0.5)
    assert ceiling(4.0, 2.0, 1) == pytest.approx(1 / 3)
