"""Paths that are too long for Windows: one sentence, before the run, that says so."""

from __future__ import annotations

import hashlib
import json

import numpy
import pytest
from qgis.core import QgsProcessingContext

from msr_plugin import folders
from msr_plugin.packages.model_install import InstallError, install


@pytest.fixture
def limited(monkeypatch):
    """As on Windows without long paths."""
    monkeypatch.setattr(folders, "LIMITED", True)
    monkeypatch.setattr(folders, "_long_paths_are_allowed", lambda: False)


def test_the_limit(limited, monkeypatch, tmp_path):
    start = str(tmp_path / "x")
    path = start + "x" * (259 - len(start))
    assert folders.too_long(path) == ""
    assert folders.too_long(path + "x").startswith("its path has 260 signs, and Windows takes 259: choose a")
    assert "has 264 signs while it is written" in folders.too_long(path, added=5)
    monkeypatch.setattr(folders, "_long_paths_are_allowed", lambda: True)
    assert folders.too_long(path + "x") == ""


def test_the_dialog_names_the_parameter(limited, provider, write_raster):
    target, long = write_raster("coarse.tif", numpy.ones((4, 4))), "/tmp/" + 60 * "long/" + "fine.tif"

    def refusal(**changed):
        given = {"TARGET": target, "METHOD": "bilinear", "FACTOR": 2, "OUTPUT": "TEMPORARY_OUTPUT", **changed}
        return provider.algorithm("baseline").create().checkParameterValues(given, QgsProcessingContext())[1]

    assert refusal() == ""
    for name, start in (("OUTPUT", "Finer raster (OUTPUT)"), ("TARGET", "Target raster (coarse) (TARGET)")):
        sentence = refusal(**{name: long})
        assert sentence.startswith(f"{start}: {long}: its path has ") and "Windows takes 259" in sentence


def test_a_model_is_not_installed_where_its_files_cannot_lie(limited, tmp_path, root):
    card = json.loads((root / "resources/models/rainitur8/card.json").read_text(encoding="utf-8"))
    package = tmp_path / "package"
    package.mkdir()
    card["weights"] = {"file": "w.safetensors", "sha256": hashlib.sha256(b"w").hexdigest(), "bytes": 1}
    for source in card["sources"]:
        source.pop("default", None)
    (package / "w.safetensors").write_bytes(b"w")
    (package / "card.json").write_text(json.dumps(card), encoding="utf-8")
    models = tmp_path / ("long" * 50) / "models"
    with pytest.raises(InstallError, match=r"rainitur8 cannot be installed below .*Windows takes 259"):
        install(package, models)
    assert not models.parent.exists()
    assert install(package, tmp_path / "models").card.id == "rainitur8"
