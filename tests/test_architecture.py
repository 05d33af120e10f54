"""The house's rooms, read with `ast`: who may import whom, in which order, without circles."""

from __future__ import annotations

import ast
import configparser
import re
import sys
from pathlib import Path

import pytest

from tests.source_tree import ROOMS, ROOT, imported, imports_between_files, plant

# Each house's rooms, lowest first: a file may import from its own room and from those before it. Files
# at the top of `engine/` are words that all rooms share; those at the top of `training/` are commands;
# those of `msr_plugin/` are both: words first, what QGIS loads last. A house's own `__init__` comes first
# where it is not on the list.
ORDER = {
    "engine": (
        *(
            "errors",
            "broken_packages",
            "version",
            "contract",
            "feedback",
            "dates",
            "date_span",
            "time_zones",
            "parts_of_month",
            "time_axis",
            "band_dates",
            "aggregation",
            "quantities",
            "units",
            "source_kinds",
            "specs",
            "transforms",
        ),
        *("files", "compute", "package", "raster", "fields", "bias", "features"),
        *("disaggregation", "sharpening"),
        *("methods", "nets", "models", "pipeline", "comparison", "cluster", "api", "commands", "__main__"),
    ),
    "msr_plugin": (
        *("compat", "translation", "folders", "system_refusals", "metadata", "contract", "method_list"),
        *("worker", "installer", "packages", "appearance", "algorithms", "choices"),
        *("provider", "settings_page", "menu", "plugin", "__init__"),
    ),
    "training": (
        *(
            "console",
            "schema",
            "records",
            "metrics",
            "html",
            "data",
            "tasks",
            "bias",
            "preparation",
            "evaluation",
        ),
        *(
            "defaults",
            "figures",
            "trainer",
            "cascade",
            "ablation",
            "report",
            "results",
            "simulation",
            "bench",
            "demo",
            "withheld",
        ),
        *("train", "evaluate", "prepare", "simulate", "cross_validate", "ablate", "lapse_rate"),
        *("hidden_truth", "jobs", "worker"),
    ),
}
MOST_FILES = 20  # of code in one folder
NO_NOUNS = {"utils", "util", "misc", "common", "helpers", "helper", "tools", "stuff"}
MAY_IMPORT = {"msr_plugin": set(), "engine": {"engine"}, "training": {"engine", "training"}}
# Of the engine, what only a process of its own runs.
NOT_FOR_TRAINING = ("engine.commands.worker", "engine.commands.jobs", "engine.__main__")
WORKERS = ("training/worker.py", "training/jobs/")  # a process of training's own, which serves both's jobs
WITH_CLOUD = "engine/raster/cloud/"  # what may import what requirements-cloud.txt lists
WITH_CLUSTER = ("engine/cluster/", "engine/api.py")  # what may import what requirements-cluster.txt lists
IMPORT_NAMES = {
    "netcdf4": "netCDF4",
    "pyyaml": "yaml",
    "odc-geo": "odc",
    "scikit-learn": "sklearn",
}  # where it is not the distribution's own name
COMPUTED_IMPORTS = {
    "engine/methods/registry.py",  # imports the module of each method on the list
    "training/console/needed.py",  # imports early what a command lists
    "engine/commands/doctor.py",  # imports each requirement to see whether it can be imported
}
# Programs that another environment's Python runs, with what they may import there.
ELSEWHERE = {"training/bench/peer_program.py": {"numpy", "rasterio", "tensorflow", "dl4ds"}}
RUNS_CODE_FROM_DATA = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}


def required(*lists: str) -> set[str]:
    """Return the import names of the distributions in some requirement files."""
    names = set()
    for file in lists:
        for line in (ROOT / file).read_text(encoding="utf-8").splitlines():
            if found := re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line):
                name = found[0].lower()
                names.add(IMPORT_NAMES.get(name, name.replace("-", "_")))
    return names


def third_party() -> dict[str, set[str]]:
    """Return what each room may import beside the standard library and other rooms."""
    engine = required("requirements-engine.txt", "requirements-compiled.txt")
    return {
        "msr_plugin": {"qgis", "processing"},  # which comes with QGIS
        "engine": engine,
        "training": engine | required("requirements-training.txt"),
    }


def import_problem(room: str, depth: int, level: int, name: str) -> str | None:
    """Return what is wrong with one import in a file `depth` packages below the room's own."""
    top = name.partition(".")[0]
    if level:
        if room != "msr_plugin":
            return "relative import; engine and training name their modules in full"
        return None if level <= depth + 1 else "relative import that leaves msr_plugin"
    if name.endswith(".*") or name in ROOMS:
        return f"{name}: say which module or name"
    if top in ROOMS:
        if top not in MAY_IMPORT[room]:
            return f"{room} must not import {top}" if top != room else "msr_plugin imports itself relatively"
        if room == "training" and name.startswith(NOT_FOR_TRAINING):
            return "training must not import the worker's side of the engine"
        return None
    if top in RUNS_CODE_FROM_DATA:
        return f"{top} runs code from data"
    if top in sys.stdlib_module_names or top in third_party()[room]:
        return None
    return f"{room} must not import {top}: neither standard library nor in its requirements"


def wall_problems(root: Path) -> list[str]:
    """Return every import that breaches a wall, as "file:line: what"."""
    found, of_clusters = [], required("requirements-cluster.txt")
    of_clouds = required("requirements-cloud.txt")
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            place = path.relative_to(root).as_posix()
            depth = len(path.relative_to(root / room).parts) - 1
            for line, level, name in imported(ast.parse(path.read_text(encoding="utf-8"))):
                if name == "?" and place in COMPUTED_IMPORTS:
                    continue
                if place.startswith(WORKERS) and name.startswith(NOT_FOR_TRAINING):
                    continue
                if place.startswith(WITH_CLUSTER) and name.partition(".")[0] in of_clusters:
                    continue
                if place.startswith(WITH_CLOUD) and name.partition(".")[0] in of_clouds:
                    continue
                if name.partition(".")[0] in ELSEWHERE.get(place, ()):
                    continue
                if problem := import_problem(room, depth, level, name):
                    found.append(f"{place}:{line}: {problem}")
    return found


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return groups of modules that import each other, directly or by way of others."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for target in graph[waiting.pop()] - seen:
                seen.add(target)
                waiting.append(target)
        return seen

    reach = {module: reached(module) for module in graph}
    groups = {frozenset({other for other in reach[m] if m in reach[other]}) for m in graph if m in reach[m]}
    return sorted(sorted(group) for group in groups)


def room_of(module: str) -> str:
    """Return the part of a module's name that stands in `ORDER`."""
    return [*module.split("."), "__init__"][1]


def climbs(graph: dict[str, set[str]]) -> list[str]:
    """Return the imports that run up the list of rooms, and the rooms that are not on it."""
    found = []
    for module, targets in graph.items():
        house = module.split(".")[0]
        if house not in ORDER:
            continue
        order = ORDER[house] if "__init__" in ORDER[house] else ("__init__", *ORDER[house])
        room = room_of(module)
        if room not in order:
            found.append(f"{module}: {room} has no place in the order of rooms")
            continue
        for target in sorted(targets):
            other = room_of(target)
            if target.split(".")[0] == house and other in order and order.index(other) > order.index(room):
                found.append(f"{module}: imports {target}, but {room} comes before {other}")
    return found


def folder_problems(root: Path) -> list[str]:
    """Return what is wrong with folders: no purpose, too many files, a name that says nothing."""
    found = []
    for house in ROOMS:
        files = (root / house).rglob("*.py")
        for folder in sorted({f for p in files for f in p.parents if f.is_relative_to(root / house)}):
            place = folder.relative_to(root).as_posix()
            files = [p for p in folder.glob("*.py") if p.name != "__init__.py"]
            if len(files) > MOST_FILES:
                found.append(f"{place}: {len(files)} files, at most {MOST_FILES} are one room")
            found += [f"{place}/{p.name}: says nothing" for p in [*files, folder] if p.stem in NO_NOUNS]
            start = folder / "__init__.py"
            tree = ast.parse(start.read_text(encoding="utf-8")) if start.exists() else ast.Module([], [])
            if not (purpose := ast.get_docstring(tree)) or not purpose.splitlines()[0].endswith("."):
                found.append(f"{place}/__init__.py: does not say in one line what the room is for")
            elif folder.parent != root and len(tree.body) > 1:
                found.append(f"{place}/__init__.py: holds more than the room's purpose")
    return found


def test_the_walls_stand() -> None:
    for room in ROOMS:
        assert list((ROOT / room).rglob("*.py")), f"{room} has no files: the check would see nothing"
    assert wall_problems(ROOT) == []


BREACHES = {
    "engine/a.py": "import qgis.core",
    "engine/b.py": "from training.schema.config import Config",
    "engine/c.py": "from .errors import InputError",
    "engine/d.py": "from msr_plugin import environment",
    "engine/e.py": "import pandas",
    "engine/pipeline/e.py": "import distributed",
    "engine/h.py": "import importlib\nimportlib.import_module('qgis.core')",
    "engine/i.py": "import importlib\n\ndef load(name):\n    return importlib.import_module(name)",
    "engine/j.py": "from importlib import import_module as im\nim('training.train')",
    "engine/k.py": "import builtins\nbuiltins.__import__('training.train')",
    "engine/l.py": "import runpy\nrunpy.run_module('training.train')",
    "engine/m.py": "import engine\n\ndef late():\n    return engine.pipeline",
    "engine/o.py": "from engine.raster.reader import *",
    "engine/nets/n.py": "def late():\n    from PyQt5 import QtCore",
    "training/a.py": "from engine.commands.worker import serve",
    "training/b.py": "from qgis.core import QgsApplication",
    "training/c.py": "import pickle",
    "msr_plugin/a.py": "from msr_plugin import compat",
    "msr_plugin/b.py": "import engine.version",
    "msr_plugin/c.py": "import numpy",
    "msr_plugin/d.py": "from PyQt6.QtCore import QSettings",
    "msr_plugin/e.py": "from ..engine import version",
    "msr_plugin/algorithms/f.py": "from ...engine import version",
}


@pytest.mark.parametrize("place", BREACHES)
def test_the_checker_sees_a_breached_wall(tmp_path: Path, place: str) -> None:
    plant(tmp_path, {place: BREACHES[place]})
    found = wall_problems(tmp_path)
    assert found
    assert all(line.startswith(place) for line in found)


def test_the_checker_lets_good_imports_pass(tmp_path: Path) -> None:
    good = {
        "engine/a.py": "import json\nimport torch\nfrom engine.errors import InputError",
        "training/b.py": "import yaml",
        "training/a.py": "from engine.nets.generator import Generator",
        "msr_plugin/a.py": "from qgis.PyQt.QtCore import QSettings\nfrom . import compat",
        "msr_plugin/algorithms/a.py": "from .. import compat\nfrom ..cards import read",
    }
    plant(tmp_path, good)
    assert wall_problems(tmp_path) == []


def test_no_import_circle() -> None:
    assert circles(imports_between_files(ROOT)) == []


def test_arrows_run_down_the_list_of_rooms() -> None:
    assert climbs(imports_between_files(ROOT)) == []


def test_every_room_on_the_list_is_there() -> None:
    gone = [
        f"{house}/{room}"
        for house, rooms in ORDER.items()
        for room in rooms
        if not (ROOT / house / room).is_dir() and not (ROOT / house / f"{room}.py").is_file()
    ]
    assert gone == []


def test_folders_are_rooms() -> None:
    assert folder_problems(ROOT) == []


CIRCLES = {
    "at the top": {
        "engine/raster/a.py": "from engine.raster.b import read",
        "engine/raster/b.py": "import engine.raster.a",
    },
    "inside a function": {
        "training/data/a.py": "def late():\n    from training.data import b",
        "training/data/b.py": "from training.data.a import late",
    },
    "for types alone": {
        "engine/nets/a.py": "import typing\nif typing.TYPE_CHECKING:\n    from engine.nets import b",
        "engine/nets/b.py": "import engine.nets.a",
    },
    "of three, relative": {
        "msr_plugin/a.py": "from .algorithms import b",
        "msr_plugin/algorithms/b.py": "from . import c",
        "msr_plugin/algorithms/c.py": "from .. import a",
    },
}


@pytest.mark.parametrize("files", CIRCLES.values(), ids=CIRCLES)
def test_the_checker_sees_a_circle(tmp_path: Path, files: dict[str, str]) -> None:
    plant(tmp_path, files)
    expected = [sorted(place.removesuffix(".py").replace("/", ".") for place in files)]
    assert circles(imports_between_files(tmp_path)) == expected


CLIMBS = {
    "engine/raster/a.py": "from engine.pipeline import b",
    "engine/errors.py": "def late():\n    import engine.pipeline.b",
    "engine/attic/a.py": "import json",
    "training/schema/a.py": "from training.trainer.b import Trainer",
    "training/results/a.py": "from training.train import run",
    "msr_plugin/worker/a.py": "from ..provider import run",
    "msr_plugin/packages/a.py": "def late():\n    from .. import classFactory",
}


@pytest.mark.parametrize("place", CLIMBS)
def test_the_checker_sees_an_arrow_that_runs_up(tmp_path: Path, place: str) -> None:
    others = ("engine/pipeline/b.py", "training/trainer/b.py", "training/train.py")
    others += ("msr_plugin/provider.py", "msr_plugin/__init__.py")
    plant(tmp_path, {place: CLIMBS[place], **dict.fromkeys(others, "run = Trainer = 1")})
    (found,) = climbs(imports_between_files(tmp_path))
    assert found.startswith(place.removesuffix(".py").replace("/", "."))


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"engine/raster/a.py": "A = 1"}, "does not say"),
        ({"engine/raster/__init__.py": '"""Rasters"""'}, "does not say"),
        ({"engine/raster/__init__.py": '"""Rasters."""\nA = 1'}, "holds more"),
        ({"engine/utils/__init__.py": '"""Things."""'}, "says nothing"),
        (
            {f"engine/raster/a{i}.py": "A = 1" for i in range(MOST_FILES + 1)}
            | {"engine/raster/__init__.py": '"""Rasters."""'},
            "files, at most",
        ),
    ],
)
def test_the_checker_sees_a_folder_that_is_no_room(tmp_path: Path, files: dict[str, str], told: str) -> None:
    plant(tmp_path, {"engine/__init__.py": '"""The engine."""', **files})
    (found,) = folder_problems(tmp_path)
    assert told in found


def test_metadata_carries_the_engines_version() -> None:
    from engine.version import VERSION

    metadata = configparser.ConfigParser(interpolation=None)
    metadata.read(ROOT / "metadata.txt", encoding="utf-8")
    assert metadata["general"]["version"] == VERSION


def test_the_top_level_file_only_hands_on_the_plugin() -> None:
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    found = {(level, name) for _, level, name in imported(tree)}
    assert found == {(1, "msr_plugin.classFactory")}
