"""The source as `ast` sees it: which file imports which."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("msr_plugin", "engine", "training")
BY_NAME = {"import_module", "__import__", "run_module", "run_path", "resolve_name"}  # what imports a name


def imported(tree: ast.AST) -> Iterator[tuple[int, int, str]]:
    """Yield (line, level, dotted name) of every import; level 0 is absolute.

    Calls of what imports by name, such as `importlib.import_module("x")`, count, also under another name
    (`from importlib import import_module as im`); a computed name is "?".
    """
    importers = BY_NAME | {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name in BY_NAME and alias.asname
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, 0, alias.name
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            for alias in node.names:
                yield node.lineno, node.level, f"{module}.{alias.name}".strip(".")
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in importers:
            first = node.args[0] if node.args else None
            constant = isinstance(first, ast.Constant) and isinstance(first.value, str)
            name = first.value if constant else "?"
            yield node.lineno, len(name) - len(name.lstrip(".")), name.lstrip(".")


def module_name(path: Path, root: Path) -> str:
    """Return a file's dotted name; a package's for its `__init__`."""
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def imports_between_files(root: Path) -> dict[str, set[str]]:
    """Return the modules that each module imports, anywhere in its file, of those under `root`."""
    files = {module_name(p, root): p for room in ROOMS for p in sorted((root / room).rglob("*.py"))}
    found: dict[str, set[str]] = {}
    for module, path in files.items():
        own = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
        found[module] = set()
        for _, level, name in imported(ast.parse(path.read_text(encoding="utf-8"))):
            target = name if not level else ".".join([*own[: len(own) - level + 1], name])
            while target and target not in files:  # what is imported may be a name in a module
                target = target.rpartition(".")[0]
            if target and target != module:
                found[module].add(target)
    return found


def plant(root: Path, files: dict[str, str]) -> None:
    """Write files into a made-up checkout."""
    for place, text in files.items():
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
