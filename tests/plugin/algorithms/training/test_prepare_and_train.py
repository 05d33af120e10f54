"""From rasters to an algorithm in the toolbox: real QGIS, the real worker, tiny data."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from qgis.core import QgsProcessingContext, QgsProcessingException, QgsProject, QgsRasterLayer

from msr_plugin.worker.training_service import TRAINING


def run(identity, parameters, feedback=None):
    """Run an algorithm as scripts do."""
    import processing

    return processing.run(identity, parameters, feedback=feedback)


def refused(identity, parameters, provider):
    """Return the sentence by which the dialog refuses parameters."""
    algorithm = provider.algorithm(identity.partition(":")[2])
    fine, message = algorithm.checkParameterValues(parameters, QgsProcessingContext())
    assert not fine
    return re.sub("<[^>]+>", "", message)


def test_a_folder_is_prepared_with_its_description_and_page(prepared, tmp_path):
    assert Path(prepared["STORE"]) == tmp_path / "stores" / "valley.zarr"
    assert (tmp_path / "stores" / "valley.zarr" / ".zattrs").is_file()
    assert Path(prepared["SUMMARY"]).read_text().startswith("<!doctype html>")
    text = Path(prepared["YAML"]).read_text()
    assert Path(prepared["YAML"]) == tmp_path / "valley.yaml"
    assert "name: elevation" in text and f"{tmp_path}/rain/*.tif" in text and "units: m\n" in text


def test_layers_of_the_project_a_netcdf_and_dynamic_sources(training, valley, write_raster, tmp_path):
    from osgeo import gdal

    paths = sorted(Path(valley["fine"]).glob("*.tif"))[:6]
    layers = [QgsRasterLayer(str(path), path.stem) for path in paths]
    height = QgsRasterLayer(valley["dem"], "DEM of the valley")
    netcdf = str(tmp_path / "cover.nc")
    gdal.Translate(netcdf, valley["dem"], format="netCDF")
    coarse_height = QgsRasterLayer(sorted(map(str, Path(valley["coarse"]).glob("*.tif")))[0], "Old rain")
    QgsProject.instance().addMapLayers([*layers, height, coarse_height])
    try:
        done = run(
            "msr:prepare",
            {
                "NAME": "valley",
                "FINE": [layer.id() for layer in layers],
                "COVARIATES": [height.id(), coarse_height.id(), f"{netcdf}:Band1"],
                "SOURCES": f"wet={valley['coarse']}|grid=coarse|dynamic|units=mm",
                "FACTOR": 4,
                "FOLDER": str(tmp_path),
                "PERIOD": "2001-02,2001-05",
                "VALID_RANGE": "0,",
                "CRS": "EPSG:3035",
            },
        )
    finally:
        QgsProject.instance().removeAllMapLayers()
    text = Path(done["YAML"]).read_text()
    assert "name: old_rain" in text and "name: band1" in text and "variable: Band1" in text
    assert re.search(r"name: old_rain\n  title: Old rain\n  grid: coarse", text)
    assert re.search(r"name: elevation\n  title: DEM of the valley\n  units: m\n  grid: fine", text)
    assert "dynamic: true" in text and "EPSG:3035" in text
    assert "4 dates" in Path(done["SUMMARY"]).read_text() or "2001-05" in Path(done["SUMMARY"]).read_text()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"NAME": "My data"}, "(NAME): “My data” must be lower-case"),
        ({"FINE": None, "NAME": ""}, "Fine rasters of the variable (the truth) (FINE) is missing"),
        ({"FINE": "/nowhere"}, "there is no raster /nowhere"),
        ({"FOLDER": None}, "(FOLDER) is missing"),
        ({"VALID_RANGE": "low"}, "two numbers, such as 0,1"),
        ({"SOURCES": "wet"}, "“wet” is not NAME=RASTERS"),
        ({"SOURCES": ["wet"]}, "“wet” is not NAME=RASTERS"),
        ({"SOURCES": {"wet": "DEM|colour=red"}}, "(SOURCES), “wet="),
        ({"PERIOD": ["2001-01"]}, "(PERIOD): ['2001-01'] is a list: write one text"),
        ({"SOURCES": "wet=DEM|colour=red"}, "“colour=red” is none of"),
        ({"PERIOD": "2001"}, "write two dates"),
        ({"DESCRIPTION": "/nowhere.yaml"}, "there is no /nowhere.yaml"),
        ({"FACTOR": 1}, "no number from 2 to 100"),
    ],
)
def test_what_is_wrong_is_refused_in_the_dialog(training, valley, tmp_path, changes, words):
    good = {"NAME": "valley", "FINE": valley["fine"], "FACTOR": 4, "FOLDER": str(tmp_path)}
    changes = {k: v.replace("DEM", valley["dem"]) if isinstance(v, str) else v for k, v in changes.items()}
    assert words in refused("msr:prepare", {**good, **changes}, training)


def test_a_store_is_replaced_only_when_asked(prepared, valley, tmp_path):
    asked = {
        "NAME": "valley",
        "FINE": valley["fine"],
        "COVARIATES": [valley["dem"]],
        "UNITS": "mm",
        "FACTOR": 4,
    }
    asked |= {"FOLDER": str(tmp_path)}
    with pytest.raises(QgsProcessingException, match=r"there already.*“Replace” \(OVERWRITE\)"):
        run("msr:prepare", asked)
    again = {"DESCRIPTION": prepared["YAML"], "OVERWRITE": True, "FOLDER": str(tmp_path)}
    assert run("msr:prepare", again)["STORE"] == prepared["STORE"]


def test_a_configuration_trains_and_its_algorithm_runs(
    prepared, training, write_config, valley, tmp_path, feedback
):
    page = str(tmp_path / "losses.html")
    done = run("msr:train", {"INPUT": write_config(), "OUTPUT_HTML": page}, feedback)
    assert (done["MODEL"], done["RESUMED"], done["OUTPUT_HTML"]) == ("valley4", False, page)
    assert done["RMSE"] > 0 and Path(done["PACKAGE"]) == tmp_path / "runs/valley4/package"
    assert "bilinear" in Path(page).read_text()
    news = [text for text in feedback.said["info"] if text.startswith("Training: step 40 of 40; loss")]
    assert news and "validation rmse" in news[0] and set(news[0]) & set("▁▂▃▄▅▆▇█")
    assert any("msr:valley4" in text for text in feedback.said["info"])
    assert training.algorithm("valley4") is not None
    coarse = sorted(Path(valley["coarse"]).glob("*.tif"))[0]
    asked = {"TARGET": str(coarse), "SOURCE_ELEVATION": valley["dem"], "OUTPUT": str(tmp_path / "fine.tif")}
    assert run("msr:valley4", asked)["COVERED"] == 1


def test_a_store_trains_with_all_else_chosen_and_members(prepared, quick, feedback):
    done = run("msr:train", {"STORE": prepared["STORE"], "INSTALL": False}, feedback)
    assert done["MODEL"] == "valley4" and Path(done["PACKAGE"]).is_dir()
    assert any(text.startswith("Chosen") for text in feedback.said["info"])
    assert {"Training", "Training what draws members"} <= set(feedback.said["phase"])
    assert quick.algorithm("valley4") is None


def test_without_fine_truth_a_cascade_is_trained(quick, valley, tmp_path):
    asked = {"NAME": "valley", "COARSE": valley["coarse"], "COVARIATES": [valley["dem"]], "UNITS": "mm"}
    done = run("msr:prepare", {**asked, "FACTOR": 4, "FOLDER": str(tmp_path)})
    done = run("msr:train", {"STORE": done["STORE"]})
    card = (Path(done["PACKAGE"]) / "card.json").read_text()
    assert '"cascade"' in card and quick.algorithm("valley4") is not None


def at_step(feedback, act):
    """Do something once training takes steps."""
    feedback.when_told = lambda kind, text: act() if kind == "info" and "; loss" in text else None


def test_cancel_keeps_a_checkpoint_and_run_again_goes_on(
    prepared, training, write_config, tmp_path, feedback
):
    asked = {"INPUT": write_config(steps=3000, validation={"every": 25}), "INSTALL": False}
    at_step(feedback, feedback.cancel)
    assert "MODEL" not in run("msr:train", asked, feedback)
    assert any("goes on from its checkpoint" in text for text in feedback.said["info"])
    assert (tmp_path / "runs/valley4/checkpoint.safetensors").is_file()
    assert TRAINING.pid is not None  # it lives on
    again = type(feedback)()  # cancelled as well: to the end it would take minutes on a busy machine
    at_step(again, again.cancel)
    run("msr:train", {**asked, "INPUT": write_config(steps=3000, validation={"every": 25})}, again)
    assert any("that was stopped goes on from its checkpoint" in text for text in again.said["info"])


def test_a_killed_worker_is_one_sentence_and_run_again_goes_on(prepared, training, write_config, feedback):
    config = {"steps": 500, "validation": {"every": 25}, "checkpoint_every": 5}
    asked = {"INPUT": write_config(**config), "INSTALL": False}
    at_step(feedback, lambda: os.kill(TRAINING.pid, signal.SIGKILL))
    with pytest.raises(QgsProcessingException, match="goes on from its last checkpoint"):
        run("msr:train", asked, feedback)
    assert run("msr:train", asked)["RESUMED"]


def test_what_cannot_be_trained_on_is_one_sentence(training, valley, tmp_path):
    assert "(STORE) is missing" in refused("msr:train", {}, training)
    both = {"STORE": str(tmp_path), "INPUT": valley["dem"]}
    assert "not both" in refused("msr:train", both, training)
    with pytest.raises(QgsProcessingException, match="but no store"):
        run("msr:train", {"STORE": valley["fine"]})
    (tmp_path / "odd.yaml").write_text("factor: 3\n")
    with pytest.raises(QgsProcessingException, match="model is missing"):
        run("msr:train", {"INPUT": str(tmp_path / "odd.yaml")})


def test_without_a_name_it_is_called_as_its_folder(training, valley, tmp_path):
    done = run("msr:prepare", {"FINE": valley["fine"], "FACTOR": 4, "FOLDER": str(tmp_path)})
    assert Path(done["STORE"]).name == "rain.zarr" and Path(done["YAML"]).name == "rain.yaml"


def test_a_model_of_the_designer_prepares_and_trains(prepared, quick, valley, tmp_path):
    from qgis.core import (
        QgsProcessingFeedback,
        QgsProcessingModelAlgorithm,
        QgsProcessingModelChildAlgorithm,
        QgsProcessingModelChildParameterSource,
        QgsProcessingModelOutput,
    )

    fixed = QgsProcessingModelChildParameterSource.fromStaticValue
    model = QgsProcessingModelAlgorithm("chain", "chain")
    first = QgsProcessingModelChildAlgorithm("msr:prepare")
    told = {
        "NAME": "chained",
        "FINE": [valley["fine"]],
        "COVARIATES": [valley["dem"]],
        "UNITS": "mm",
        "FACTOR": 4,
    }
    for name, value in {**told, "FOLDER": str(tmp_path)}.items():
        first.addParameterSources(name, [fixed(value)])
    first.setChildId("prepare")
    second = QgsProcessingModelChildAlgorithm("msr:train")
    from_first = QgsProcessingModelChildParameterSource.fromChildOutput("prepare", "STORE")
    second.addParameterSources("STORE", [from_first])
    second.addParameterSources("INSTALL", [fixed(False)])
    second.setChildId("train")
    page = QgsProcessingModelOutput("page", "page")
    page.setChildId("train")
    page.setChildOutputName("OUTPUT_HTML")
    second.setModelOutputs({"page": page})
    model.addChildAlgorithm(first)
    model.addChildAlgorithm(second)
    html = str(tmp_path / "page.html")
    context = QgsProcessingContext()
    results, fine = model.run({"train:page": html}, context, QgsProcessingFeedback())
    assert fine, results
    (page,) = (value for name, value in results.items() if name in ("train:page", "page"))  # by version
    assert page == html and Path(html).is_file()
    assert (tmp_path / "runs/chained4/package/card.json").is_file()


def test_without_what_training_needs_it_says_how_to_get_it(training, monkeypatch, valley, tmp_path, root):
    from msr_plugin.metadata import plugin_version
    from msr_plugin.worker.engine_process import EngineProcess
    from msr_plugin.worker.environment import scrubbed_environment

    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name in ('pydantic', 'tqdm') else find(name, *more)\n"
    )
    environment = scrubbed_environment()
    environment["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{environment['PYTHONPATH']}"

    def make(python: Path) -> EngineProcess:
        return EngineProcess(
            python, root, plugin_version(), environment, ["-u", "-s", "-m", "training.worker"]
        )

    TRAINING.stop()
    monkeypatch.setattr(TRAINING, "_make", make)
    try:
        with pytest.raises(
            QgsProcessingException, match=r"pydantic and 1 more.*Install engine.*-m pip install -r"
        ):
            run("msr:prepare", {"FINE": valley["fine"], "FACTOR": 4, "FOLDER": str(tmp_path)})
    finally:
        TRAINING.stop()


def test_few_parameters_are_visible(training):
    for name in ("prepare", "train"):
        advanced = training.algorithm(name).parameterDefinitions()[0].FlagAdvanced
        visible = [p for p in training.algorithm(name).parameterDefinitions() if not p.flags() & advanced]
        assert len(visible) <= 8, name


def test_without_an_engine_it_says_how_to_make_one(no_engine, provider):
    algorithm = provider.algorithm("train").create()
    assert algorithm.canExecute()[0]
    fine, message = algorithm.checkParameterValues({}, QgsProcessingContext())
    assert not fine and "Press Install engine" in message
