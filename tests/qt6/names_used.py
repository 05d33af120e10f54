"""Dotted names of Qt and QGIS in the source, each looked up where Qt 6 has it."""

from __future__ import annotations

import ast
import enum
import importlib
from collections.abc import Iterator
from pathlib import Path

# Gone with Qt 6 or PyQt6, by the last part of a name.
GONE = {
    "exec_": "is exec() in PyQt6",
    "print_": "is print() in PyQt6",
    "qApp": "is QApplication.instance() in PyQt6",
    "QRegExp": "is QRegularExpression in Qt 6",
    "QRegExpValidator": "is QRegularExpressionValidator in Qt 6",
    "QDesktopWidget": "is QScreen in Qt 6",
    "QTextCodec": "is gone in Qt 6",
    "QVariant": "has no types in PyQt6: QMetaType.Type has them",
    "QMatrix": "is QTransform in Qt 6",
    "QStringListModel.Type": "is gone in Qt 6",
    "toTime_t": "is toSecsSinceEpoch in Qt 6",
    "fromTime_t": "is fromSecsSinceEpoch in Qt 6",
    "midButton": "is middleButton in Qt 6",
}


def names_used(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of each attribute of what is imported from qgis, the longest alone."""
    imported = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and not node.level and str(node.module).startswith("qgis.")
        for alias in node.names
    }
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or id(node) in inner:
            continue
        first, _, rest = ast.unparse(node).partition(".")
        if first in imported and all(part.isidentifier() for part in rest.split(".")):
            yield node.lineno, f"{imported[first]}.{rest}"


def gone(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, what) of names that Qt 6 does not have, however they are reached."""
    for node in ast.walk(tree):
        names = [node.attr] if isinstance(node, ast.Attribute) else []
        names += [node.id] if isinstance(node, ast.Name) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            if name in GONE:
                yield getattr(node, "lineno", 0), f"{name} {GONE[name]}"


def absent(dotted: str) -> bool:
    """Return whether a dotted name leads nowhere; beyond an enum's value it may lead on."""
    module, names = ".".join(dotted.split(".")[:2]), dotted.split(".")[2:]
    if module == "qgis.PyQt":
        module, names = f"{module}.{names[0]}", names[1:]
    owner: object = importlib.import_module(module)
    for name in names:
        if isinstance(owner, enum.Enum):
            return False
        owner = getattr(owner, name, None)
        if owner is None:
            return True
    return False


def problems(folder: Path) -> list[str]:
    """Return "file:line: what" of each name that Qt 6 or its QGIS does not know."""
    told = []
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        place = path.relative_to(folder.parent).as_posix()
        told += [f"{place}:{line}: {what}" for line, what in gone(tree)]
        told += [f"{place}:{line}: there is no {name}" for line, name in names_used(tree) if absent(name)]
    return told
