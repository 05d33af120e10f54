"""The exported rasters: read back, they are the archive's fields on the archive's grids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling

from engine.errors import InputError
from engine.request import RasterRef
from engine.sources import Raster
from training.data import itur
from training.data.export import export


@pytest.fixture(scope="module")
def archive():
    return itur.load(8)


@pytest.fixture(scope="module")
def exported(archive, tmp_path_factory) -> dict[str, Path]:
    return export(archive, tmp_path_factory.mktemp("rasters"), 11, range(1, 10))


def test_target_and_truth_are_the_archives(exported, archive) -> None:
    with rasterio.open(exported["target"]) as target, rasterio.open(exported["truth"]) as truth:
        np.testing.assert_array_equal(target.read(1), archive.coarse[10])
        np.testing.assert_array_equal(truth.read(1), archive.fine[10])
        assert target.transform == archive.transform
        assert truth.transform == archive.fine_transform
        assert target.tags(1)["DATE"] == "--11"
        assert target.units == ("mm/month",)
        assert target.bounds == truth.bounds


@pytest.mark.parametrize("name", ["temperature", "elevation"])
def test_the_engine_reads_sources_as_training_does(exported, archive, name: str) -> None:
    source = archive.sources[name]
    wanted = source.values[10 if source.dynamic else 0, 0]
    transform = archive.transform if source.grid == "coarse" else archive.fine_transform
    raster = Raster(RasterRef(str(exported[name])), name, source.units)
    try:
        found = raster.read(GeoBox(wanted.shape, transform, itur.CRS), [1], Resampling.average)
    finally:
        raster.close()
    np.testing.assert_allclose(found[0], wanted, atol=1e-3)  # the column at the date line too


def test_the_climatology_has_a_dated_band_for_each_training_month(exported, archive) -> None:
    with rasterio.open(exported["climatology"]) as raster:
        assert [raster.tags(b)["DATE"] for b in raster.indexes] == [f"--{m:02d}" for m in range(1, 10)]
        np.testing.assert_array_equal(raster.read(9), archive.fine[8])


def test_a_month_that_does_not_exist_is_refused(archive, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="month 13"):
        export(archive, tmp_path, 13, [1])
