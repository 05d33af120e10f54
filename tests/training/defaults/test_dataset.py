"""From a folder of fine rasters with dates in their names, and heights, to a package that the engine runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import rasterio
import yaml
from affine import Affine

from engine.errors import InputError
from engine.files.root import ROOT
from engine.package.folder import load_package
from training import evaluate, train
from training.defaults import members, schedule
from training.defaults.dataset import DERIVED, config_of, open_config
from training.schema.config import load_config
from training.schema.dataset import load_dataset
from training.schema.older import leaves_open

K, SIZE = 4, 48
PLACE = Affine(1000, 0, 4_000_000, 0, -1000, 2_800_000)


def write(path, values, transform=PLACE):
    profile = {"width": values.shape[1], "height": values.shape[0], "count": 1, "dtype": "float32"}
    with rasterio.open(path, "w", "GTiff", crs="EPSG:3035", transform=transform, **profile) as file:
        file.write(values.astype(np.float32), 1)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two years of monthly rain that follows height."""
    rng = np.random.default_rng(0)
    height = rng.gamma(2, 200, (SIZE, SIZE))
    (tmp_path / "rain").mkdir()
    for number in range(24):
        season = 1 + 0.5 * np.cos(2 * np.pi * number / 12)
        rain = season * (20 + height / 20) * rng.uniform(0.9, 1.1, height.shape)
        write(tmp_path / f"rain/rain_{2001 + number // 12}-{number % 12 + 1:02d}.tif", rain)
    write(tmp_path / "dem.tif", height)
    description = {
        "name": "valley_rain",
        "title": "Rain of a valley",
        "citation": "none",
        "licence": "CC0-1.0",
        "factor": K,
        "target": {"name": "rain", "units": "mm", "fine": {"files": "rain/*.tif", "file_units": "mm"}},
        "sources": [{"name": "elevation", "units": "m", "grid": "fine", "files": "dem.tif"}],
    }
    (tmp_path / "valley.yaml").write_text(yaml.safe_dump(description))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(schedule, "FEWEST", 6)
    monkeypatch.setattr(schedule, "MOST", 6)
    monkeypatch.setattr(members, "FEWEST", 4)
    monkeypatch.setattr(members, "MOST", 4)
    return tmp_path


def test_one_file_and_one_command_make_a_package_that_the_engine_runs(folder, capsys):
    assert train.run(["valley.yaml", "--threads", "1"]) == 0
    told = capsys.readouterr().out
    for word in ("24 dates", "Chosen", "Test:", "Validation:", "Target:", "Network:", "Steps:"):
        assert word in told
    package = load_package(folder / "runs/valleyrain4/package")
    card = package.card
    assert card.id == "valleyrain4" and card.raw["licence"] == "CC0-1.0"
    assert card.target.conservation == "multiplicative" and card.target.bounds == (0, None)
    assert [source.name for source in card.sources] == ["elevation"] and card.sources[0].default
    assert card.raw["training"]["command"] == "python -m training.train valley.yaml"
    kept = load_config(folder / "runs/valleyrain4/config.yaml")
    assert not leaves_open(kept) and kept.split.kind == "period"
    last = load_config(folder / "runs/valleyrain4/members/valleyrain4/config.yaml")
    assert last.split == kept.split and last.start_from == "runs/valleyrain4/judged"
    assert last.ensemble.about == "runs/valleyrain4/estimate"
    assert card.ensemble and card.raw["training"]["configuration"] == json.loads(
        last.model_copy(update={"device": "auto"}).model_dump_json(exclude={"device"})
    )
    with rasterio.open(folder / "rain/rain_2002-06.tif") as file:
        coarse = file.read(1).reshape(SIZE // K, K, SIZE // K, K).mean((1, 3))
    write(folder / "coarse.tif", coarse, PLACE * Affine.scale(K))
    command = [sys.executable, "-s", "-m", "engine", "super-resolve", "--model", str(package.folder)]
    command += ["--target", "coarse.tif", "--output", "fine.tif", "--date", "2002-06", "--units", "target=mm"]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-1000:]
    with rasterio.open(folder / "fine.tif") as file:
        fine = file.read(1)
    assert fine.shape == (SIZE, SIZE)
    np.testing.assert_allclose(fine.reshape(SIZE // K, K, SIZE // K, K).mean((1, 3)), coarse, rtol=1e-4)


def test_a_store_is_used_again_where_it_is_of_the_same_description(folder):
    told = []
    config = open_config(folder / "valley.yaml", folder / "stores", told.append, 1)
    assert config.model.id == "valleyrain4" and leaves_open(config)
    assert config.sources[0].derived == DERIVED and "relief" in DERIVED and config.sources[0].default
    store = folder / "stores/valley_rain.zarr"
    made = (store / ".zattrs").stat().st_mtime_ns
    told.clear()
    assert open_config(folder / "valley.yaml", folder / "stores", told.append, 1) == config
    assert (store / ".zattrs").stat().st_mtime_ns == made and "there already" in told[0]
    later = (store / ".zattrs").stat().st_mtime + 5
    os.utime(folder / "dem.tif", (later, later))
    with pytest.raises(InputError, match=r"older than .*dem\.tif: make it again"):
        open_config(folder / "valley.yaml", folder / "stores", None, 1)
    settings = yaml.safe_load((folder / "valley.yaml").read_text())
    settings["target"]["valid_range"] = [0, 99]
    (folder / "valley.yaml").write_text(yaml.safe_dump(settings))
    with pytest.raises(InputError, match="another description"):
        open_config(folder / "valley.yaml", folder / "stores", None, 1)


def test_what_needs_a_configuration_says_so(folder):
    with pytest.raises(InputError, match="--record"):
        train.run(["valley.yaml", "--quiet", "--record", "runs.jsonl"])
    with pytest.raises(InputError, match=r"describes a data set.*config\.yaml"):
        evaluate.run(["valley.yaml"])
    settings = yaml.safe_load((folder / "valley.yaml").read_text())
    settings["target"] = {"name": "rain", "units": "mm", "coarse": settings["target"]["fine"]}
    settings |= {"name": "seven", "factor": 7}
    (folder / "coarse.yaml").write_text(yaml.safe_dump(settings))
    with pytest.raises(InputError, match="7 cannot be learned in small steps"):
        open_config(folder / "coarse.yaml", folder / "stores", None, 1)
    assert not (folder / "stores").exists()
    (folder / "neither.yaml").write_text("factor: 3\n")
    with pytest.raises(InputError, match="model is missing"):
        open_config(folder / "neither.yaml", folder / "stores", None, 1)


def test_without_a_fine_truth_it_is_a_cascade_and_a_store_says_all(folder):
    settings = yaml.safe_load((folder / "valley.yaml").read_text())
    settings["target"] = {"name": "rain", "units": "mm", "coarse": settings["target"]["fine"]}
    settings["grid"] = {"resolution": 4000}
    (folder / "coarse.yaml").write_text(yaml.safe_dump(settings))
    told = []
    config = open_config(folder / "coarse.yaml", folder / "stores", told.append, 1)
    assert config.cascade.steps == (2,) and config.factor == 4
    assert "derived" not in config.sources[0].model_fields_set and "no fine truth" in told[-1]
    store = folder / "stores/valley_rain.zarr"
    assert open_config(store, folder / "elsewhere", None) == config
    with pytest.raises(InputError, match="but no store"):
        open_config(folder / "rain", folder, None)


def test_a_product_of_another_origin_is_corrected_where_dates_are_enough(folder):
    (folder / "product").mkdir()
    for file in sorted((folder / "rain").iterdir()):
        with rasterio.open(file) as raster:
            means = raster.read(1).reshape(SIZE // K, K, SIZE // K, K).mean((1, 3))
        write(folder / "product" / file.name, 1.5 * means + 3, PLACE * Affine.scale(K))
    settings = yaml.safe_load((folder / "valley.yaml").read_text())
    settings["target"]["coarse"] = {"files": "product/*.tif", "file_units": "mm"}
    (folder / "two.yaml").write_text(yaml.safe_dump(settings))
    told = []
    config = open_config(folder / "two.yaml", folder / "stores", told.append, 1)
    assert config.bias is None and config.target.strength == "auto" and config.target.leaves_open
    assert "another origin" in told[-1] and "too few" in told[-1]
    many = config_of(load_dataset(folder / "two.yaml"), folder / "stores/valley_rain.zarr", 90)
    assert (many.bias.method, many.bias.quantiles) == ("quantile_mapping", 15)
    assert many.target.strength == "auto"
