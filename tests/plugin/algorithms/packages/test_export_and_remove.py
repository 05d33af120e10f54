"""Models handed on and removed: real QGIS, the real engine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from qgis.core import QgsProcessingContext

from msr_plugin.folders import ROOT, profile_models
from msr_plugin.packages.model_removal import RemovalError, removable, remove


def run(identity, parameters, feedback=None):
    """Run an algorithm as scripts do."""
    import processing

    return processing.run(identity, parameters, feedback=feedback)


@pytest.fixture(autouse=True)
def clean_profile(qgis_app):
    """The profile's models are those of the test alone."""
    shutil.rmtree(profile_models(), ignore_errors=True)
    yield
    shutil.rmtree(profile_models(), ignore_errors=True)


def refused(provider, name, parameters):
    fine, message = provider.algorithm(name).checkParameterValues(parameters, QgsProcessingContext())
    assert not fine
    return message


def test_what_is_exported_can_be_installed_and_removed(provider, tmp_path, feedback):
    zipped, stac = str(tmp_path / "m.zip"), str(tmp_path / "m.json")
    done = run("msr:exportmodel", {"MODEL": "rainitur8spatial", "OUTPUT": zipped, "STAC": stac}, feedback)
    assert (done["ID"], done["OUTPUT"], done["STAC"]) == ("rainitur8spatial", zipped, stac)
    item = json.loads(Path(stac).read_text())
    assert (
        item["assets"]["model"]["href"] == "./m.zip" and item["properties"]["mlm:name"] == "rainitur8spatial"
    )
    done = run("msr:installmodel", {"INPUT": zipped})
    assert Path(done["FOLDER"]) == profile_models() / "rainitur8spatial"
    shipped = (ROOT / "resources/models/rainitur8spatial/card.json").read_text()
    assert (profile_models() / "rainitur8spatial/card.json").read_text() == shipped
    assert run("msr:removemodel", {"MODEL": "rainitur8spatial"})["MODEL"] == "rainitur8spatial"
    assert list(profile_models().iterdir()) == []
    assert provider.algorithm("rainitur8spatial") is not None  # the shipped one


def test_a_removed_model_has_no_algorithm(provider, tiny_model, tmp_path, monkeypatch):
    monkeypatch.delenv("MSR_MODELS")
    run("msr:installmodel", {"INPUT": str(tiny_model)})
    assert provider.algorithm("tinyrain") is not None
    run("msr:removemodel", {"MODEL": "tinyrain"})
    assert provider.algorithm("tinyrain") is None


def test_the_weights_alone_are_catalogued(provider, tmp_path):
    done = run("msr:exportmodel", {"MODEL": "rainitur8", "STAC": str(tmp_path / "m.json")})
    asset = json.loads((tmp_path / "m.json").read_text())["assets"]["model"]
    assert (tmp_path / asset["href"]).resolve() == ROOT / "resources/models/rainitur8/weights.safetensors"
    assert "OUTPUT" not in done or not done["OUTPUT"]


def test_what_is_wrong_is_refused(provider, tmp_path):
    assert "nothing would be written" in refused(provider, "exportmodel", {"MODEL": "rainitur8"})
    assert "(MODEL)" in refused(provider, "exportmodel", {"MODEL": "none", "OUTPUT": str(tmp_path / "m.zip")})
    assert "“rainitur8” is not installed in this profile" in refused(
        provider, "removemodel", {"MODEL": "rainitur8"}
    )


def test_without_an_engine_exporting_names_the_button_and_removing_needs_none(provider, no_engine):
    assert provider.algorithm("exportmodel").canExecute()[0]
    assert "Press Install engine" in refused(provider, "exportmodel", {"MODEL": "rainitur8"})
    assert "Install engine" not in refused(provider, "removemodel", {"MODEL": "rainitur8"})


def test_only_packages_of_the_folder_are_removed(tmp_path):
    models = tmp_path / "models"
    (models / "other").mkdir(parents=True)
    (models / "other" / "notes.txt").write_text("mine")
    (models / "linked").symlink_to(tmp_path / "elsewhere")
    (models / ".hidden").mkdir()
    assert removable(models) == ["linked", "other"] and removable(tmp_path / "none") == []
    for name in ("../models", ".hidden", "", "absent"):
        with pytest.raises(RemovalError, match="not installed in this profile"):
            remove(name, models)
    with pytest.raises(RemovalError, match="no model package"):
        remove("other", models)
    (tmp_path / "elsewhere").mkdir()
    remove("linked", models)
    assert (tmp_path / "elsewhere").is_dir() and (models / "other" / "notes.txt").exists()
