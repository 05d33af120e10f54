"""Pages that judge a trained model: real QGIS, the real worker, tiny data."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from qgis.core import QgsProcessingContext, QgsProcessingException, QgsProcessingOutputHtml


def run(identity, parameters, feedback=None):
    """Run an algorithm as scripts do."""
    import processing

    return processing.run(identity, parameters, feedback=feedback)


def refused(provider, name, parameters):
    """Return the sentence by which the dialog refuses parameters."""
    fine, message = provider.algorithm(name).checkParameterValues(parameters, QgsProcessingContext())
    assert not fine
    return re.sub("<[^>]+>", "", message)


@pytest.fixture
def trained(prepared, write_config):
    """A run of the valley, and its configuration."""
    config = write_config(steps=10, ablation={"steps": 4, "seeds": [0]})
    return {**run("msr:train", {"INPUT": config, "INSTALL": False}), "CONFIG": config}


def test_a_run_is_evaluated_by_its_configuration_or_its_model(trained, tmp_path, feedback):
    page = str(tmp_path / "report.html")
    asked = {"CONFIG": f"{trained['RUN']}/config.yaml", "TREES": False, "OUTPUT_HTML": page}
    done = run("msr:evaluate", asked, feedback)
    assert done["OUTPUT_HTML"] == page and "valley4" in Path(page).read_text()
    assert json.loads(Path(done["JSON"]).read_text()) and Path(done["CSV"]).is_file()
    assert any("RMSE" in text for text in feedback.said["info"])
    done = run(
        "msr:evaluate", {"MODEL": trained["PACKAGE"], "TREES": False, "OUTPUT_HTML": "TEMPORARY_OUTPUT"}
    )
    assert "valley4" in Path(done["OUTPUT_HTML"]).read_text()
    run("msr:installmodel", {"INPUT": trained["PACKAGE"]})
    done = run("msr:evaluate", {**asked, "CONFIG": None, "MODEL": "valley4", "FOLDER": str(tmp_path)})
    assert "valley4" in Path(done["OUTPUT_HTML"]).read_text()


def test_an_ablation_goes_on_and_ends_with_a_page(trained, tmp_path, feedback):
    feedback.when_told = lambda kind, text: feedback.cancel() if "RMSE" in text else None
    assert "REPORT" not in run("msr:ablate", {"CONFIG": trained["CONFIG"]}, feedback)
    records = tmp_path / "runs/ablation/valley4/records.jsonl"
    before = records.read_text()
    assert before.count("\n") >= 1
    done = run("msr:ablate", {"CONFIG": trained["CONFIG"]})
    assert records.read_text().startswith(before)
    assert done["RECORDS"] == str(records)
    assert Path(done["REPORT"]).read_text().startswith("<!doctype html>")


def test_a_wrong_kind_of_run_is_told_by_its_label(trained):
    config = {"CONFIG": trained["CONFIG"]}
    with pytest.raises(QgsProcessingException, match=r"^Kinds of run \(ONLY\): there is no some"):
        run("msr:ablate", {**config, "ONLY": "some"})
    with pytest.raises(QgsProcessingException, match=r"^Seeds \(SEEDS\): seeds are different"):
        run("msr:ablate", {**config, "SEEDS": "1,1"})


def test_pages_are_shown_in_the_results_viewer(training):
    for name, page in (
        ("evaluate", "OUTPUT_HTML"),
        ("ablate", "REPORT"),
        ("train", "OUTPUT_HTML"),
        ("prepare", "SUMMARY"),
    ):
        assert isinstance(training.algorithm(name).outputDefinition(page), QgsProcessingOutputHtml), name


def test_what_is_wrong_is_one_sentence(training, tmp_path, write_config):
    page = {"OUTPUT_HTML": str(tmp_path / "r.html")}
    assert "(CONFIG) is missing, or Model" in refused(training, "evaluate", page)
    assert "(FOLDER) is missing" in refused(training, "evaluate", {**page, "MODEL": "rainitur8"})
    assert "Model (MODEL): " in refused(training, "evaluate", {**page, "MODEL": "nothing"})
    config = write_config()
    assert "ending in .html" in refused(training, "evaluate", {"CONFIG": config, "OUTPUT_HTML": "r.tif"})
    assert "such as 0,1,2" in refused(training, "ablate", {"CONFIG": config, "SEEDS": "one"})
    assert "there is no /nowhere.yaml" in refused(training, "ablate", {"CONFIG": "/nowhere.yaml"})
    with pytest.raises(QgsProcessingException, match=r"stores/valley\.zarr: make it with “Prep"):
        run("msr:ablate", {"CONFIG": config})
    wrong = {"CONFIG": config, "MODEL": "nothing", **page}
    assert "Model (MODEL): " in refused(training, "evaluate", wrong)


def test_few_parameters_are_visible(training):
    for name in ("evaluate", "ablate", "exportmodel", "removemodel"):
        definitions = training.algorithm(name).parameterDefinitions()
        assert len([p for p in definitions if not p.flags() & p.FlagAdvanced]) <= 8, name
