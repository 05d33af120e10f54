"""What a new method and a new algorithm ask for, tried on a copy of the plugin."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import pytest
from qgis.core import QgsProcessingContext

NAME = "msr_copy"
STAND_IN = '''"""A stand-in for an algorithm."""

from .base import MsrAlgorithm


class StandIn(MsrAlgorithm):
    """Does nothing."""

    ID = "standin"
    TITLE = "Stand-in"

    def initAlgorithm(self, configuration=None):
        """Add no parameter."""
'''


@pytest.fixture
def copy(tmp_path, root, qgis_app, monkeypatch):
    """A copy of what the plugin is made of; no test may run its engine."""
    shutil.copytree(root / "msr_plugin", tmp_path / "msr_plugin")
    read = ("contract.json", "methods/methods.json", "files/system_refusals.json")
    for file in ("metadata.txt", *(f"engine/{name}" for name in read)):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / file, tmp_path / file)
    monkeypatch.setenv("MSR_ENGINE_PYTHON", sys.executable)
    yield tmp_path
    for module in [name for name in sys.modules if name.split(".")[0] == NAME]:
        del sys.modules[module]


def load(copy: Path, module: str):
    """Import a module of the copied plugin."""
    place = copy / "msr_plugin"
    if NAME not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            NAME, place / "__init__.py", submodule_search_locations=[str(place)]
        )
        sys.modules[NAME] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[NAME])
    return importlib.import_module(f"{NAME}.{module}")


def rewrite(path: Path, change) -> None:
    """Change the JSON in a file."""
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value), encoding="utf-8")


def test_a_method_on_the_engines_list_is_offered_and_asks_for_its_source(copy, rasters, tmp_path):
    entry = {"title": "Stand-in method", "help": "Only the heights count.", "needs": ["elevation"]}
    rewrite(copy / "engine/methods/methods.json", lambda methods: methods.update(standin=entry))
    algorithm = load(copy, "algorithms.simple_methods").Baseline().create()
    methods = algorithm.parameterDefinition("METHOD")
    assert methods.options()[0] == "bilinear" and methods.options()[-1] == "standin"
    for text in (methods.help(), algorithm.shortHelpString()):
        assert ", standin." in text
    choice = load(copy, "choices.method_choice")
    assert "Only the heights count." in choice.described(choice.METHODS["standin"])
    assert algorithm.parameterDefinition("ELEVATION").help().endswith(", standin.")
    parameters = {"TARGET": rasters["target"], "METHOD": "standin", "OUTPUT": str(tmp_path / "fine.tif")}
    context = QgsProcessingContext()
    fine, message = algorithm.checkParameterValues(parameters, context)
    assert not fine and "(ELEVATION)" in message and "standin" in message
    parameters["ELEVATION"] = rasters["elevation"]
    assert algorithm.checkParameterValues(parameters, context) == (True, "")
    assert list(algorithm.sources_of(parameters, context)) == ["elevation"]


def test_an_algorithm_is_a_file_a_registration_and_a_reserved_id(copy, root, tiny_model, tmp_path):
    (copy / "msr_plugin/algorithms/stand_in.py").write_text(STAND_IN, encoding="utf-8")
    provider_file = copy / "msr_plugin/provider.py"
    text = provider_file.read_text(encoding="utf-8")
    registered = text.replace("GENERIC = (", "from .algorithms.stand_in import StandIn\nGENERIC = (StandIn, ")
    assert registered != text
    provider_file.write_text(registered, encoding="utf-8")
    contract = copy / "engine/contract.json"
    rewrite(contract, lambda entries: entries["reserved_ids"].append("standin"))
    models = tmp_path / "models"
    shutil.copytree(tiny_model, models / "standin")
    rewrite(models / "standin/card.json", lambda card: card.update(id="standin"))

    provider = load(copy, "provider").MsrProvider()
    provider.loadAlgorithms()
    assert provider.algorithm("standin").displayName() == "Stand-in"
    cards, errors = load(copy, "packages.cards").installed_cards([models])
    assert cards == []
    assert "a name that MSR keeps for itself" in str(errors[0])
