"""The house's rules, read from the source with `ast`: who may import whom, and what nobody does."""

from __future__ import annotations

import ast
import configparser
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("msr_plugin", "engine", "training")
MAY_IMPORT = {"msr_plugin": set(), "engine": {"engine"}, "training": {"engine", "training"}}
# Of the engine, what only a process of its own runs.
NOT_FOR_TRAINING = ("engine.worker", "engine.jobs", "engine.__main__")
IMPORT_NAMES = {
    "pyyaml": "yaml",
    "odc-geo": "odc",
    "scikit-learn": "sklearn",
}  # where it is not the distribution's own name
COMPUTED_IMPORTS = {"engine/doctor.py"}  # imports each requirement to see whether it can be imported
MAX_LINES = 400
RUNS_CODE_FROM_DATA = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
FORBIDDEN_CALLS = {
    "eval": "eval runs text as code",
    "exec": "exec runs text as code",
    "torch.load": "torch.load unpickles",
    "torch.save": "torch.save pickles",
    "torch.hub.load": "torch.hub runs code from the network",
    "os.system": "os.system starts a shell",
    "os.popen": "os.popen starts a shell",
    "yaml.unsafe_load": "yaml.unsafe_load makes objects",
}


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
    engine = required("requirements-engine.txt")
    return {
        "msr_plugin": {"qgis"},
        "engine": engine,
        "training": engine | required("requirements-training.txt"),
    }


def imported(tree: ast.AST) -> Iterator[tuple[int, int, str]]:
    """Yield (line, level, dotted name) of every import; level 0 is absolute.

    `importlib.import_module("x")` and `__import__("x")` count; a computed name is "?".
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, 0, alias.name
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            for alias in node.names:
                yield node.lineno, node.level, f"{module}.{alias.name}".strip(".")
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {
            "import_module",
            "importlib.import_module",
            "__import__",
        }:
            first = node.args[0] if node.args else None
            constant = isinstance(first, ast.Constant) and isinstance(first.value, str)
            name = first.value if constant else "?"
            yield node.lineno, len(name) - len(name.lstrip(".")), name.lstrip(".")


def import_problem(room: str, depth: int, level: int, name: str) -> str | None:
    """Return what is wrong with one import in a file `depth` packages below the room's own."""
    top = name.partition(".")[0]
    if level:
        if room != "msr_plugin":
            return "relative import; engine and training name their modules in full"
        return None if level <= depth + 1 else "relative import that leaves msr_plugin"
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


def safe_loaders(tree: ast.AST) -> set[str]:
    """Return the names under which a file knows YAML loaders that make plain data only."""
    own = {
        n.name
        for n in ast.walk(tree)
        if isinstance(n, ast.ClassDef)
        for b in n.bases
        if "SafeLoader" in ast.unparse(b)
    }
    return {"yaml.SafeLoader", "yaml.CSafeLoader"} | own


def call_problem(node: ast.Call, loaders: set[str]) -> str | None:
    """Return what is wrong with one call."""
    called = ast.unparse(node.func)
    if called in FORBIDDEN_CALLS:
        return FORBIDDEN_CALLS[called]
    if called == "yaml.load" and not any(ast.unparse(k.value) in loaders for k in node.keywords):
        return "yaml.load makes objects; use yaml.safe_load"
    for keyword in node.keywords:
        if keyword.arg in {"shell", "allow_pickle"} and not (
            isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        ):
            return f"{keyword.arg} is not False"
    return None


def unfinished(line: str) -> bool:
    """Return whether a line says that something is left to do."""
    return re.search(r"\b(TODO|FIXME|XXX|raise NotImplementedError)\b", line) is not None


def problems(root: Path) -> list[str]:
    """Return every breach in the rooms under `root`, as "file:line: what"."""
    found = []
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            place = path.relative_to(root).as_posix()
            depth = len(path.relative_to(root / room).parts) - 1
            lines = text.splitlines()
            if len(lines) >= MAX_LINES:
                found.append(f"{place}:{len(lines)}: {MAX_LINES} lines or more")
            found += [f"{place}:{n}: unfinished" for n, line in enumerate(lines, 1) if unfinished(line)]
            tree = ast.parse(text)
            loaders = safe_loaders(tree)
            for line, level, name in imported(tree):
                if name == "?" and place in COMPUTED_IMPORTS:
                    continue
                if problem := import_problem(room, depth, level, name):
                    found.append(f"{place}:{line}: {problem}")
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and (problem := call_problem(node, loaders)):
                    found.append(f"{place}:{node.lineno}: {problem}")
                if isinstance(node, ast.ExceptHandler) and node.type is None:
                    found.append(f"{place}:{node.lineno}: bare except")
    return found


def test_every_room_keeps_the_rules() -> None:
    for room in ROOMS:
        assert list((ROOT / room).rglob("*.py")), f"{room} has no files: the check would see nothing"
    assert problems(ROOT) == []


BREACHES = {
    "engine/a.py": "import qgis.core",
    "engine/b.py": "from training.config import Config",
    "engine/c.py": "from .errors import InputError",
    "engine/d.py": "from msr_plugin import environment",
    "engine/e.py": "import pandas",
    "engine/f.py": "import torch\nweights = torch.load('weights.pt')",
    "engine/g.py": "def read(text):\n    return eval(text)",
    "engine/h.py": "import importlib\nimportlib.import_module('qgis.core')",
    "engine/i.py": "import importlib\n\ndef load(name):\n    return importlib.import_module(name)",
    "engine/j.py": "try:\n    import torch\nexcept:\n    torch = None",
    "engine/k.py": "def halo():\n    raise NotImplementedError",
    "engine/l.py": "import numpy as np\nnp.load('a.npy', allow_pickle=True)",
    "engine/m.py": "x = 1\n" * MAX_LINES,
    "engine/nets/n.py": "def late():\n    from PyQt5 import QtCore",
    "training/a.py": "from engine.worker import serve",
    "training/b.py": "from qgis.core import QgsApplication",
    "training/c.py": "import pickle",
    "training/d.py": "import subprocess\nsubprocess.run('ls', shell=True)",
    "training/e.py": "import yaml\nyaml.load('a: 1', Loader=yaml.Loader)",
    "msr_plugin/a.py": "from msr_plugin import compat",
    "msr_plugin/b.py": "import engine.version",
    "msr_plugin/c.py": "import numpy",
    "msr_plugin/d.py": "from PyQt6.QtCore import QSettings",
    "msr_plugin/e.py": "from ..engine import version",
    "msr_plugin/algorithms/f.py": "from ...engine import version",
    "msr_plugin/g.py": "exec('import torch')",
}


@pytest.mark.parametrize("place", BREACHES)
def test_the_checker_sees_a_breach(tmp_path: Path, place: str) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text(BREACHES[place] + "\n", encoding="utf-8")
    found = problems(tmp_path)
    assert found
    assert all(line.startswith(place) for line in found)


def test_the_checker_lets_good_code_pass(tmp_path: Path) -> None:
    good = {
        "engine/a.py": "import json\nimport torch\nfrom engine.errors import InputError\nmodel.eval()",
        "training/b.py": "import yaml\nclass Own(yaml.SafeLoader): ...\nyaml.load('a: 1', Loader=Own)",
        "training/a.py": "import yaml\nfrom engine.nets.generator import Generator\nyaml.safe_load('a: 1')",
        "msr_plugin/a.py": "from qgis.PyQt.QtCore import QSettings\nfrom . import compat",
        "msr_plugin/algorithms/a.py": "from .. import compat\nfrom ..cards import read",
    }
    for place, text in good.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(text + "\n", encoding="utf-8")
    assert problems(tmp_path) == []


def test_the_rest_stays_short_too() -> None:
    files = [*ROOT.glob("*.py"), *(ROOT / ".ci").glob("*.py"), *(ROOT / "tests").rglob("*.py")]
    long = [str(p) for p in files if len(p.read_text(encoding="utf-8").splitlines()) >= MAX_LINES]
    assert long == []


def test_metadata_carries_the_engines_version() -> None:
    from engine.version import VERSION

    metadata = configparser.ConfigParser(interpolation=None)
    metadata.read(ROOT / "metadata.txt", encoding="utf-8")
    assert metadata["general"]["version"] == VERSION


def test_the_top_level_file_only_hands_on_the_plugin() -> None:
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    found = {(level, name) for _, level, name in imported(tree)}
    assert found == {(1, "msr_plugin.classFactory")}
