"""One name, one idea: no class name stands for two things in the project."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

from tests.source_tree import ROOMS, ROOT, plant

# Names that may stand twice, each with the reason.
TWICE: dict[str, str] = {}


def class_names(root: Path) -> dict[str, list[str]]:
    """Return the files of each class name in the rooms under `root`; classes inside others count too."""
    places: dict[str, list[str]] = defaultdict(list)
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    places[node.name.lstrip("_")].append(path.relative_to(root).as_posix())
    return dict(places)


def test_each_class_name_stands_once() -> None:
    names = class_names(ROOT)
    assert len(names) > 100, "the check sees too little"
    assert {name: places for name, places in names.items() if len(places) > 1 and name not in TWICE} == {}


def test_no_exception_is_left_over() -> None:
    names = class_names(ROOT)
    assert [name for name in TWICE if len(names.get(name, ())) < 2] == []


def test_the_check_sees_a_name_that_stands_twice(tmp_path: Path) -> None:
    plant(tmp_path, {"engine/raster/a.py": "class Grid: ...", "training/data/b.py": "class _Grid: ..."})
    assert class_names(tmp_path) == {"Grid": ["engine/raster/a.py", "training/data/b.py"]}


# Words of our own that gave way to the field's; no name in the code may bring them back.
REPLACED = {
    "yardstick": "base_error",
    "tally": "measurements, statistics, counts",
    "tallies": "the same",
    "whens": "dates, times",
    "standing": "base_field",
    "nature": "simulation",
    "found": "what it holds: evaluation, interval, files",
}


def names_with(words: set[str], root: Path) -> list[str]:
    """Return "file: name" of each name in the rooms under `root` that holds one of the words."""
    found = set()
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            place = path.relative_to(root).as_posix()
            names = {path.stem, *path.relative_to(root).parts[:-1]}
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names |= {
                    str(getattr(node, key)) for key in ("id", "attr", "arg", "name") if hasattr(node, key)
                }
            found |= {f"{place}: {n}" for n in names if words & set(n.lower().strip("_").split("_"))}
    return sorted(found)


def test_the_fields_words_are_used() -> None:
    assert names_with(set(REPLACED), ROOT) == []


def test_the_check_sees_a_word_that_came_back(tmp_path: Path) -> None:
    plant(tmp_path, {"training/data/a.py": "def of(_tally):\n    return _tally.whens"})
    assert names_with(set(REPLACED), tmp_path) == [
        "training/data/a.py: _tally",
        "training/data/a.py: whens",
    ]
