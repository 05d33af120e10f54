"""Exported rasters, read by the engine, are the archive's own windows."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch

from engine import dates
from engine.errors import InputError
from engine.pipeline.inputs import InputRasters
from engine.pipeline.tiles import Tile
from engine.raster.grids import plan
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef
from engine.specs import SourceSpec, TargetSpec
from training.data import itur
from training.data.export import export, run, time_of
from training.data.patches import View, Window, cut
from training.data.readers import READERS
from training.data.split import split_archive
from training.schema.config import load_config

TRAIN = tuple(range(1, 10))


@pytest.fixture(scope="module")
def rain():
    return itur.load(8)


@pytest.fixture(scope="module")
def rasters(rain, tmp_path_factory):
    view = View(("temperature", "elevation", "climatology"), tuple(range(9)))
    return export(rain, tmp_path_factory.mktemp("rasters"), 10, view)


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


BLOCKS = {"size": 4, "test": 0.25, "seed": 1}
SPLITS = {  # and the training dates
    "months": ({"kind": "temporal", "train": [1, 2, 3], "test": [11]}, (1, 2, 3)),
    "period": (
        {"kind": "period", "train": [["2001-01", "2001-09"]], "test": [["2001-11", "2001-11"]]},
        range(1, 10),
    ),
    "blocks": ({"kind": "temporal", "train": [1, 2], "test": [11], "blocks": BLOCKS}, (1, 2)),
    "spatial": (
        {
            "kind": "spatial",
            "train_longitudes": [-180, 90],
            "test_longitudes": [90, 180],
            "train_months": [1, 2],
            "test_months": [11],
        },
        (1, 2),
    ),
}


@pytest.mark.parametrize("kind", SPLITS)
def test_the_climatology_knows_no_truth_that_is_kept_from_training(
    kind, make, settings, monkeypatch, tmp_path, capsys
):
    archive = make()
    if kind == "period":
        archive = replace(archive, dates=tuple(f"2001-{m:02d}" for m in range(1, 13)))
    monkeypatch.setitem(READERS, "small", lambda factor: archive)
    split, months = SPLITS[kind]
    settings = {
        **settings,
        "data": {"name": "small"},
        "split": split,
        "validation": {"every": 6, "where": "training"},
    }
    (tmp_path / "c.yaml").write_text(json.dumps({**settings, "sources": [{"name": "climatology"}]}))
    assert run([str(tmp_path / "c.yaml"), "--month", "11", "--output", str(tmp_path / "out")]) == 0
    capsys.readouterr()
    with rasterio.open(tmp_path / "out" / "climatology.tif") as raster:
        held = [raster.tags(i)["DATE"] for i in range(1, raster.count + 1)]
        bands = raster.read()
    assert held == [archive.dates[month - 1] for month in months]
    parts = split_archive(load_config(tmp_path / "c.yaml"), archive)
    seen = np.ones(archive.shape, bool) if parts.train.cells is None else parts.train.cells
    seen = seen.copy()
    seen[:, parts.train.columns[1] :] = False
    assert seen.all() == (kind in ("months", "period"))
    fine = seen.repeat(2, 0).repeat(2, 1)
    assert np.array_equal(np.isfinite(bands), np.broadcast_to(fine, bands.shape))
    assert np.array_equal(bands[:, fine], archive.fine[[m - 1 for m in months]][:, fine])


def test_one_of_several_times_of_a_month_is_named_by_its_date(make):
    archive = replace(
        make(), dates=tuple(f"{2001 + m // 12}-11-{m + 1:02d}" for m in range(12)), months=np.full(12, 11)
    )
    assert time_of(archive, date="2001-11-05") == 4
    with pytest.raises(InputError, match="12 times in month 11, not one: name one of them with --date"):
        time_of(archive, month=11)
    with pytest.raises(InputError, match="no band for 2001-12"):
        time_of(archive, date="2001-12")
