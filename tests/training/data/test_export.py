"""Exported rasters, read by the engine, are the archive's own windows."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import torch

from engine import dates
from engine.pipeline.inputs import InputRasters
from engine.pipeline.tiles import Tile
from engine.raster.grids import plan
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef
from engine.specs import SourceSpec, TargetSpec
from training.data import itur
from training.data.export import export
from training.data.patches import View, Window, cut

TRAIN = tuple(range(1, 10))


@pytest.fixture(scope="module")
def rain():
    return itur.load(8)


@pytest.fixture(scope="module")
def rasters(rain, tmp_path_factory):
    return export(rain, tmp_path_factory.mktemp("rasters"), 11, TRAIN)


def test_the_climatology_has_one_dated_band_for_each_training_month(rain, rasters):
    with rasterio.open(rasters["climatology"]) as raster:
        assert raster.count == 9
        assert [raster.tags(i)["DATE"] for i in range(1, 10)] == [f"--{m:02d}" for m in TRAIN]
        assert np.array_equal(raster.read(3), rain.fine[2])
        assert raster.units[0] == "mm/month"


@pytest.mark.parametrize("column", [60, 176])  # 176: the window and its halo cross the date line
def test_the_engine_reads_what_the_archive_holds(rain, rasters, column):
    target = TargetSpec("rain", "mm/month", conservation="multiplicative")
    specs = (
        SourceSpec("temperature", "degC", "coarse", dynamic=True),
        SourceSpec("elevation", "m", "fine"),
        SourceSpec("climatology", "mm/month", "fine", kind="climatology"),
    )
    raster = Raster(RasterRef(str(rasters["target"])), "target", "mm/month")
    given = {s.name: RasterRef(str(rasters[s.name])) for s in specs}
    inputs = InputRasters(raster, target, specs, given, {}, plan(raster, 8, None))
    try:
        read = inputs.patch(Tile(30, column, 4, 4), 2, dates.parse("--11"))
    finally:
        inputs.close()
    view = View(tuple(s.name for s in specs), tuple(range(9)))
    patch, _ = cut(rain, [Window(10, 30, column)], (4, 4), 2, view)
    assert torch.allclose(read.target, patch.target, rtol=1e-6)
    assert torch.allclose(read.climatology, patch.climatology, rtol=1e-6)
    assert torch.equal(read.climatology_distance, patch.climatology_distance)
    assert torch.allclose(read.cell_size, patch.cell_size, rtol=1e-6)
    assert read.day_of_year == patch.day_of_year
    assert torch.allclose(read.coarse["temperature"], patch.coarse["temperature"], atol=2e-3)
    assert torch.allclose(read.fine["elevation"], patch.fine["elevation"], atol=0.05)


def test_elevation_and_rain_lie_where_they_should(rain):
    """Mount Everest's region is the highest, and the Atacama is dry while Cherrapunji is wet."""
    elevation = rain.sources["elevation"].values[0, 0]

    def at(field, longitude, latitude):
        column, row = ~rain.fine_transform * (longitude, latitude)
        return field[int(row), int(column)]

    assert at(elevation, 86.9, 28.0) > 4500
    assert at(elevation, -30.0, 0.0) <= 0
    assert at(rain.fine[6], 91.7, 25.3) > 400  # July monsoon
    assert at(rain.fine[6], -69.5, -23.5) < 5
    temperature = rain.sources["temperature"].values[:, 0]
    assert temperature[0, 5:15].mean() < temperature[6, 5:15].mean()  # northern winter, summer
    assert temperature[0, 55:65].mean() > temperature[6, 55:65].mean()
