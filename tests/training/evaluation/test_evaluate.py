"""The evaluation command: a table or JSON of every method, and maps."""

from __future__ import annotations

import json
import math
import os
import shutil
import time

import pytest
import rasterio
import torch
import yaml

from engine.errors import InputError
from engine.feedback import Silent
from engine.files.root import ROOT
from engine.models.loading import load_model
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.reference import RasterRef
from training import evaluate
from training.cascade.train import train
from training.console.command import main
from training.data.export import export
from training.data.readers import load_archive
from training.data.region import Region
from training.data.split import split_archive
from training.evaluation.bootstrap import Interval
from training.evaluation.cases import model_cases
from training.evaluation.comparison import Comparison
from training.evaluation.scores import Scoring, score
from training.evaluation.tables import columns_of
from training.metrics.registry import FURTHER_METRICS, METRICS
from training.schema.config import parse_config

BASELINES = {
    "bilinear",
    "bicubic",
    "elevationregression",
    "elevationregressionlocal",
    "climatologyratioflat",
    "climatologyratio",
}
CONSERVING = {"bicubicsmooth", "constructedanalogues"}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model of the rain maps' corner, trained for a moment, with its configuration."""
    settings = yaml.safe_load((ROOT / "training/configs/tiny.yaml").read_text(encoding="utf-8"))
    settings.update(steps=8, precision="float32", layout="contiguous")
    settings["losses"]["adversarial"]["start"] = 4
    settings["data"]["options"]["region"] = [0, 32, 32, 64]
    folder = tmp_path_factory.mktemp("model")
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(settings))
    config = parse_config(settings)
    return config, path, train(config, folder / "runs", folder / "rainitur2", quiet=True)


def test_json_has_every_method_and_agrees_with_the_card(model, capsys):
    _, path, package = model
    assert evaluate.run([str(path), "--model", str(package.folder), "--json", "--no-trees"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["model"] == "rainitur2" and found["units"] == "mm/month"
    expected = BASELINES | {f"{name}-conservative" for name in BASELINES} | CONSERVING
    expected |= {"rainitur2", "rainitur2-without-climatology", "rainitur2-without-sources"}
    assert expected <= set(found["methods"])  # and what others add to the list
    assert all(set(values) == set(METRICS) for values in found["methods"].values())
    for name, values in package.card.raw["metrics"].items():
        for key in ("rmse", "mae", "js_distance"):
            assert found["methods"][name][key] == pytest.approx(values[key], rel=1e-4)
        if name.endswith("-conservative") or name.startswith("rainitur2"):
            assert found["methods"][name]["conservation_residual"] < 1e-3


def test_a_model_is_taken_from_its_run_folder_and_told(model, tmp_path, capsys):
    """The newest package, also where the run that made it was set aside for one that made none yet."""
    config, path, package = model
    runs, id = tmp_path / "runs", config.model.id
    assert evaluate.find(config, None, runs) is None
    for name, age in ((id, 100), (f"{id}.1", 50), (f"{id}.old", 0)):
        shutil.copytree(package.folder, runs / name / "package")
        made = time.time() - age
        os.utime(runs / name / "package" / "card.json", (made, made))
    assert evaluate.find(config, None, runs).folder == runs / f"{id}.1" / "package"
    assert evaluate.find(config, str(package.folder), runs).folder == package.folder
    assert evaluate.run([str(path), "--runs", str(runs), "--json", "--no-trees"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out.splitlines()[-1])["model"] == id
    assert f"The model is rainitur2 0.1.0 in {runs / f'{id}.1' / 'package'}." in told.err


def test_without_a_model_it_is_said_how_to_make_one(model, tmp_path, capsys):
    _, path, _ = model
    assert evaluate.run([str(path), "--runs", str(tmp_path), "--json", "--no-trees"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out.splitlines()[-1])["model"] is None
    assert f"train it with python -m training.train {path}, or name its folder with --model" in told.err


def test_all_metrics_are_added_on_request(model, capsys):
    _, path, package = model
    command = [str(path), "--model", str(package.folder), "--all-metrics", "--no-trees"]
    assert evaluate.run([*command, "--json"]) == 0
    every = json.loads(capsys.readouterr().out.splitlines()[-1])["methods"]
    for values in every.values():
        assert set(values) == {*METRICS, *FURTHER_METRICS}
        assert all(math.isfinite(value) for value in values.values())
    assert every["bicubic"]["nse"] > every["bilinear"]["nse"]
    assert evaluate.run(command) == 0
    out = capsys.readouterr().out
    assert all(column.title in out for column in columns_of(METRICS | FURTHER_METRICS))
    assert {column.name for column in columns_of(FURTHER_METRICS)} == set(FURTHER_METRICS)


def test_the_model_alone_brings_its_configuration_and_maps_are_drawn(model, tmp_path, capsys):
    _, _, package = model
    picture = tmp_path / "maps" / "november.png"
    command = ["--model", str(package.folder), "--no-trees", "--maps", str(picture), "--month", "11"]
    assert evaluate.run(command) == 0
    out = capsys.readouterr().out
    assert "rainitur2, without any source" in out and "Climatology ratio, seasonal, conservative" in out
    from matplotlib.image import imread

    image = imread(picture)
    assert min(image.shape[:2]) > 500 and image[..., :3].std() > 0.05
    assert [p.name for p in picture.parent.iterdir()] == ["november.png"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--model"),
        ([str(ROOT / "training/configs/tiny.yaml"), "--month", "3"], "3 is no test month"),
        (["nowhere.yaml"], "nowhere.yaml"),
        (["--model", "nosuchmodel"], "nosuchmodel"),
    ],
)
def test_wrong_input_is_one_sentence(arguments, words):
    with pytest.raises(InputError, match=words) as caught:
        evaluate.run(arguments)
    assert "\n" not in str(caught.value)


def test_commands_turn_errors_into_status_and_sentence(capsys):
    def fails():
        raise InputError("The key x is wrong.")

    with pytest.raises(SystemExit) as caught:
        main(fails)
    assert caught.value.code == 2 and capsys.readouterr().err == "The key x is wrong.\n"


def test_the_pipeline_on_exported_rasters_gives_the_same_scores(model, tmp_path):
    """GeoTIFFs through `super_resolve`: as good as the arrays that training scored."""
    config, _, package = model
    archive = load_archive(config)
    split = split_archive(config, archive)
    rasters = export(archive, tmp_path, 10, split.test_view)
    request = SuperResolveRequest(
        model=str(package.folder),
        target=RasterRef(str(rasters["target"])),
        output=str(tmp_path / "fine.tif"),
        sources={name: RasterRef(str(rasters[name])) for name in ("temperature", "elevation", "climatology")},
        date="--11",
        precision="float32",
        device="cpu",
    )
    result = super_resolve(request, Silent())
    method = load_model(package, torch.device("cpu"), precision="float32")
    case = model_cases(
        "m", method.predict, method.halo, split.test_view, method.sources, method.target.strength
    )[0]
    expected = score(case, archive, Region((10,), (0, archive.shape[1])), method.target, Scoring(keep=True))
    with rasterio.open(result.output) as raster:
        field = raster.read(1)
    truth = archive.fine[10]
    rmse = float(((field - truth) ** 2).mean() ** 0.5)
    # The engine sees neighbours beyond the region; the archive's corner ends there.
    inner = (slice(20, -20), slice(20, -20))
    assert abs(field[inner] - expected.fields[0][inner]).max() < 0.02 * truth.max()
    assert rmse == pytest.approx(expected.values["rmse"], rel=0.02)


def test_an_interval_from_few_dates_says_so_beside_it(model, capsys):
    _, path, package = model
    assert evaluate.run([str(path), "--model", str(package.folder), "--no-trees"]) == 0
    out = capsys.readouterr().out
    rows = [line for line in out.splitlines() if "rmse" in line and "(" in line]
    assert rows and all("3 dates only" in row for row in rows)
    assert "from fewer than 8 dates or places, intervals are too narrow" in out
    nan = Interval(1.0, math.nan, math.nan)
    assert Comparison("a", "b", "rmse", "rmse", nan, nan, 8, 8).few == ""
    assert Comparison("a", "b", "rmse", "rmse", nan, nan, 20, 1).few == "1 place only"
