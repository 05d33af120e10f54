"""The demo with a stand-in for QGIS: what it measures, and what it prints."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio

from engine.errors import EngineError
from training.data import itur
from training.data.export import export
from training.data.patches import View
from training.demo import __main__ as demo


@pytest.fixture(scope="module")
def archive():
    return itur.load(8)


@pytest.fixture(scope="module")
def rasters(archive, tmp_path_factory) -> dict[str, Path]:
    view = View(tuple(archive.sources), tuple(range(9)))
    return export(archive, tmp_path_factory.mktemp("demo"), demo.MONTH - 1, view)


def test_the_truth_has_no_error(archive, rasters) -> None:
    outcome = demo.measure("truth", "Truth", rasters["truth"], archive)
    assert outcome.values == {"rmse": 0, "mae": 0, "js_distance": 0}
    assert outcome.residual == 0


def test_an_error_is_measured(archive, rasters, tmp_path: Path) -> None:
    path = tmp_path / "off.tif"
    shutil.copy(rasters["truth"], path)
    with rasterio.open(path, "r+") as raster:
        raster.write(raster.read(1) + np.float32(3), 1)
    outcome = demo.measure("off", "Off", path, archive)
    assert outcome.values["rmse"] == pytest.approx(3, rel=1e-5)
    assert outcome.values["mae"] == pytest.approx(3, rel=1e-5)
    assert outcome.values["js_distance"] > 0
    assert outcome.residual == pytest.approx(3, rel=1e-4)


def test_holes_and_other_grids_are_refused(archive, rasters, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="75, 180"):
        demo.measure("coarse", "Coarse", rasters["target"], archive)
    path = tmp_path / "hole.tif"
    shutil.copy(rasters["truth"], path)
    with rasterio.open(path, "r+") as raster:
        raster.write(np.full((1, 1), np.nan, np.float32), 1, window=((5, 6), (7, 8)))
    with pytest.raises(EngineError, match="1 of them"):
        demo.measure("hole", "Hole", path, archive)


def test_it_prints_one_json_object_last(tmp_path: Path, monkeypatch, capsys) -> None:
    """The model's run is replaced by the truth plus 1; all else is real."""

    def fake(id, rasters, sources, output) -> None:
        assert sorted(sources) in (["elevation", "temperature"], ["climatology", "elevation", "temperature"])
        shutil.copy(rasters["truth"], output)
        with rasterio.open(output, "r+") as raster:
            raster.write(raster.read(1) + np.float32(1), 1)

    monkeypatch.setattr(demo, "run_model", fake)
    assert demo.run(["--json", "--output", str(tmp_path)]) == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    methods = printed["methods"]
    assert methods["rainitur8"]["rmse"] == pytest.approx(1, rel=1e-4)
    assert methods["rainitur8-without-climatology"]["rmse"] == pytest.approx(1, rel=1e-4)
    assert {"bilinear", "bicubic-conservative", "climatologyratio-conservative"} <= set(methods)
    assert methods["climatologyratio-conservative"]["rmse"] < methods["bilinear"]["rmse"]
    assert all(set(values) == {"rmse", "mae", "js_distance"} for values in methods.values())
    assert printed["conservation_residual"] == pytest.approx(1, rel=1e-3)
    assert Path(printed["output"]).is_file()
    assert Path(printed["truth"]).is_file()
    assert Path(printed["maps"]).read_bytes().startswith(b"\x89PNG")
