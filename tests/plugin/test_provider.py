"""The provider as QGIS sees it: what it lists, with and without an engine, and its conventions."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import qgis.utils
from qgis.core import (
    QgsApplication,
    QgsProcessingContext,
    QgsProcessingParameterDefinition,
    QgsSettings,
)
from qgis.PyQt.QtCore import QUrl

from msr_plugin import folders
from msr_plugin.metadata import plugin_version
from msr_plugin.worker import environment


def test_it_lists_generic_algorithms_and_models(provider):
    ids = {algorithm.id() for algorithm in provider.algorithms()}
    generic = {"msr:superresolve", "msr:baseline", "msr:modelinfo", "msr:installmodel"}
    assert ids >= generic | {"msr:tinyrain"}
    assert (provider.id(), provider.name()) == ("msr", "Multi-source super-resolution")


def test_a_model_has_the_parameters_of_its_card(provider):
    model = provider.algorithm("tinyrain")
    parameters = {p.name(): p for p in model.parameterDefinitions()}
    assert parameters["SOURCE_ELEVATION"].description() == "Elevation [m]"
    optional = type(parameters["TARGET"]).FlagOptional
    assert not parameters["SOURCE_ELEVATION"].flags() & optional
    assert parameters["SOURCE_TEMPERATURE"].flags() & optional
    assert parameters["SOURCE_TEMPERATURE_BAND"].parentLayerParameterName() == "SOURCE_TEMPERATURE"
    assert {
        "TARGET",
        "TARGET_BAND",
        "REFERENCE",
        "EXTENT",
        "RESOLUTION",
        "CRS",
        "DATE",
        "CONSERVATION",
    } <= set(parameters)
    for name in ("DEVICE", "TILE"):
        assert parameters[name].flags() & QgsProcessingParameterDefinition.FlagAdvanced
    outputs = {output.name() for output in model.outputDefinitions()}
    assert outputs >= {"OUTPUT", "RESIDUAL", "OUTSIDE_RANGE", "COVERED", "TILES", "SECONDS"}


def test_every_algorithm_keeps_the_conventions(provider):
    for algorithm in provider.algorithms():
        assert re.fullmatch(r"[a-z][a-z0-9]*", algorithm.name())
        assert re.fullmatch(r"[a-z][a-z0-9]*", algorithm.groupId())
        page = Path(QUrl(algorithm.helpUrl()).toLocalFile())
        assert page.is_file() and page.name in ("quickstart.md", "finer.md", "train-from-qgis.md")
        assert algorithm.shortHelpString()
        assert algorithm.tags()
        assert not algorithm.icon().isNull()
        assert not algorithm.flags() & algorithm.FlagNoThreading
        assert algorithm.createInstance() is not algorithm
        assert algorithm.createInstance().name() == algorithm.name()
        for parameter in algorithm.parameterDefinitions():
            assert re.fullmatch(r"[A-Z][A-Z0-9_]*", parameter.name())
            assert parameter.help(), f"{algorithm.id()} {parameter.name()}"


def test_without_an_engine_dialogs_open_and_running_names_the_commands(no_engine, provider, monkeypatch):
    monkeypatch.setattr(qgis.utils, "iface", None)
    context = QgsProcessingContext()
    for name in ("superresolve", "baseline", "tinyrain"):
        algorithm = provider.algorithm(name)
        assert algorithm.canExecute()[0]  # else QGIS shows no dialog
        assert algorithm.shortHelpString() and algorithm.parameterDefinitions()
        fine, message = algorithm.create().checkParameterValues({}, context)
        assert not fine
        assert str(no_engine) in message
        assert all(f"\n{command}\n" in message for command in environment.commands())
        assert "-m venv" in message and "requirements-engine.txt" in message
    for name in ("modelinfo", "installmodel"):  # these need none
        assert provider.algorithm(name).canExecute()[0]


def test_without_an_engine_running_in_the_window_names_the_button(no_engine, provider, monkeypatch):
    monkeypatch.setattr(qgis.utils, "iface", object())
    fine, message = provider.algorithm("baseline").create().checkParameterValues({}, QgsProcessingContext())
    assert not fine and "\n" not in message
    assert message.endswith("Press Install engine under Settings > Options > Super-resolution.")


def test_the_engine_is_looked_for_in_order(qgis_app, monkeypatch, tmp_path):
    monkeypatch.delenv("MSR_ENGINE_PYTHON", raising=False)
    assert environment.find_engine().python == environment.default_python()
    monkeypatch.setenv("MSR_ENGINE_PYTHON", "/from/variable")
    assert str(environment.find_engine().python) == "/from/variable"
    QgsSettings().setValue(environment.SETTING, "/from/setting")
    try:
        assert str(environment.find_engine().python) == "/from/setting"
        assert environment.find_engine().problem
    finally:
        QgsSettings().remove(environment.SETTING)


def test_the_engine_inherits_nothing_of_qgis():
    hostile = {
        "PYTHONHOME": "/x", "PYTHONPATH": "/x", "PYTHONSTARTUP": "/x", "PROJ_LIB": "/x", "PROJ_DATA": "/x",
        "GDAL_DATA": "/x", "GDAL_DRIVER_PATH": "/x", "QGIS_PREFIX_PATH": "/x", "LD_LIBRARY_PATH": "/x",
        "DYLD_LIBRARY_PATH": "/x", "DYLD_INSERT_LIBRARIES": "/x",
    }  # fmt: skip
    kept = {"HOME": "/home/u", "PATH": "/bin", "CUDA_VISIBLE_DEVICES": "1", "HTTPS_PROXY": "http://p"}
    clean = environment.scrubbed_environment({**hostile, **kept})
    assert kept.items() <= clean.items()
    assert set(clean) - set(kept) == {"PYTHONPATH", "PYTHONUTF8", "PYTHONDONTWRITEBYTECODE"}
    assert clean["PYTHONPATH"] == str(folders.ROOT)


def test_plugin_and_engine_have_one_version(root):
    text = (root / "engine" / "version.py").read_text()
    assert f'VERSION = "{plugin_version()}"' in text


@pytest.fixture
def profile_models(qgis_app):
    """The profile's folder of models, emptied afterwards."""
    folder = folders.profile_models()
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    shutil.rmtree(folder)


def _set(key, value):
    return lambda card: card.update({key: value})


DAMAGES = {
    "empty": b"",
    "no json": b"{",
    "not utf-8": b"\xff\xfe{}",
    "a list": b"[]",
    "deep": b"[" * 100_000,
    "huge": b" " * 1_100_000,
    "no target": _set("target", None),
    "no id": lambda card: card.pop("id"),
    "id with path": _set("id", "../x"),
    "id upper": _set("id", "Tiny"),
    "id with newline": _set("id", "tiny\n"),
    "generic id": _set("id", "baseline"),
    "id a number": _set("id", 3),
    "name a list": _set("name", ["x"]),
    "factor text": _set("factor", "4"),
    "factor true": _set("factor", True),
    "factor huge": _set("factor", 10**30),
    "sources a dict": _set("sources", {}),
    "source a text": _set("sources", ["x"]),
    "source without name": _set("sources", [{"units": "m", "grid": "fine"}]),
    "source name with space": _set("sources", [{"name": "a b", "units": "m", "grid": "fine"}]),
    "source twice": lambda card: card["sources"].append(card["sources"][0]),
    "bounds text": lambda card: card["target"].update(bounds=["a", None]),
    "bounds a number": lambda card: card["target"].update(bounds=4),
    "strength 2": lambda card: card["target"].update(strength=2),
    "strength nan": lambda card: card["target"].update(strength=float("nan")),
    "weights outside": lambda card: card["weights"].update(file="../../x"),
    "newer card": _set("msr_card", 2),
    "network a list": _set("network", []),
    "noise a text": lambda card: card["network"].update(noise="2"),
    "cascade a list": _set("cascade", [2, 2]),
    "cascade without assumption": _set("cascade", {"steps": [2, 2]}),
    "noise true": lambda card: card["network"].update(noise=True),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_card_costs_only_its_own_algorithm(provider, profile_models, tiny_model, damage):
    card = json.loads((tiny_model / "card.json").read_text())
    card["id"] = "damaged"
    change = DAMAGES[damage]
    folder = profile_models / "damaged"
    folder.mkdir()
    if callable(change):
        change(card)
        (folder / "card.json").write_text(json.dumps(card))
    else:
        (folder / "card.json").write_bytes(change)
    told = []
    QgsApplication.messageLog().messageReceived.connect(lambda text, tag, level: told.append((tag, text)))
    provider.refreshAlgorithms()
    names = {algorithm.name() for algorithm in provider.algorithms()}
    assert "tinyrain" in names and "superresolve" in names
    assert "damaged" not in names
    assert any(tag == "MSR" and str(folder) in text for tag, text in told)


def test_odd_packages_do_no_harm(provider, profile_models):
    (profile_models / "a file").write_text("x")
    (profile_models / "empty").mkdir()
    (profile_models / "folder as card" / "card.json").mkdir(parents=True)
    (profile_models / "link").mkdir()
    (profile_models / "link" / "card.json").symlink_to("/nowhere")
    provider.refreshAlgorithms()
    assert provider.algorithm("tinyrain") is not None
