"""What no file does: run code from data, start a shell, swallow every error, grow long, stay unfinished."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.source_tree import ROOMS, ROOT, plant

MAX_LINES = 400
MAX_SIGNS = 120  # ruff lets longer lines pass that have no blank
IGNORED = re.compile(r"#\s*type:\s*ignore(?!\[[\w-]+\]\s+# \w)")  # without a code, or without a reason
RENAMES = {"os.replace", "os.rename", "os.renames", "shutil.move"}
MAY_RENAME = {  # all others write through engine/files
    "engine/files/atomic.py",
    "engine/files/partial_files.py",
    "engine/files/sole_owner.py",
    "training/trainer/run.py",  # sets an older run's folder aside
    "msr_plugin/packages/model_install.py",  # without the engine
    "msr_plugin/packages/model_removal.py",  # the same
    "msr_plugin/algorithms/finer/page.py",  # the same
    "msr_plugin/installer/bundle.py",  # before there is an engine
    "msr_plugin/installer/downloads.py",  # the same
    "msr_plugin/worker/installed_engine.py",  # the same
}
MAY_TELL = {  # the words of what they catch are MSR's own, but for the doctor's, which is asked for them
    "engine/commands/doctor.py",
    "engine/package/card_check.py",
    "training/schema/split.py",
    "training/schema/yaml_file.py",
    "msr_plugin/packages/cards.py",
}
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


def renames(node: ast.Call) -> bool:
    """Return whether a call renames a file: also `Path.replace`, which takes one place and no keyword."""
    path = isinstance(node.func, ast.Attribute) and node.func.attr == "replace" and len(node.args) == 1
    return ast.unparse(node.func) in RENAMES or (path and not node.keywords)


def own_names(tree: ast.AST) -> set[str]:
    """Return what a file defines as a class, or takes from a room."""
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.level or str(node.module).split(".")[0] in ROOMS):
            own |= {alias.asname or alias.name for alias in node.names}
    return own


def tells(handler: ast.ExceptHandler, own: set[str]) -> list[ast.expr]:
    """Return where a handler takes the words of an error that is not MSR's."""
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    if handler.name is None or {ast.unparse(kind) for kind in caught if kind} <= own:
        return []
    name, parts = handler.name, "(message|msg|strerror|problem|args)"
    words = re.compile(rf"str\({name}\)|{name}\.{parts}|getattr\({name}, '{parts}'.*\)")
    found = [n for n in ast.walk(handler) if isinstance(n, (ast.Call, ast.Attribute))]
    told = [n for n in found if words.fullmatch(ast.unparse(n))]
    texts = [n.value for n in ast.walk(handler) if isinstance(n, ast.FormattedValue)]
    return told + [n for n in texts if re.fullmatch(rf"{name}( or .*)?|.* or {name}", ast.unparse(n))]


def line_problem(line: str) -> str | None:
    """Return what is wrong with one line."""
    if len(line) > MAX_SIGNS:
        return f"more than {MAX_SIGNS} signs, which the plugin repository's scan does not take"
    if re.search(r"\b(TODO|FIXME|XXX|raise NotImplementedError)\b", line):
        return "unfinished"
    return "an ignored type without code or reason" if IGNORED.search(line) else None


def problems(root: Path) -> list[str]:
    """Return every breach in the rooms under `root`, as "file:line: what"."""
    found = []
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            place = path.relative_to(root).as_posix()
            lines = text.splitlines()
            if len(lines) >= MAX_LINES:
                found.append(f"{place}:{len(lines)}: {MAX_LINES} lines or more")
            for number, line in enumerate(lines, 1):
                if problem := line_problem(line):
                    found.append(f"{place}:{number}: {problem}")
            tree = ast.parse(text)
            loaders = safe_loaders(tree)
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and (problem := call_problem(node, loaders)):
                    found.append(f"{place}:{node.lineno}: {problem}")
                if isinstance(node, ast.Call) and renames(node) and place not in MAY_RENAME:
                    found.append(f"{place}:{node.lineno}: renames a file; engine/files does that")
                if isinstance(node, ast.ExceptHandler) and node.type is None:
                    found.append(f"{place}:{node.lineno}: bare except")
                if isinstance(node, ast.ExceptHandler) and place not in MAY_TELL:
                    said = tells(node, own_names(tree))
                    found += [f"{place}:{each.lineno}: tells a library's words" for each in said]
    return found


def test_no_file_does_what_none_may() -> None:
    assert problems(ROOT) == []


BREACHES = {
    "engine/m.py": "x = 1\n" * MAX_LINES,
    "engine/f.py": "import torch\nweights = torch.load('weights.pt')",
    "engine/g.py": "def read(text):\n    return eval(text)",
    "engine/j.py": "try:\n    import torch\nexcept:\n    torch = None",
    "engine/k.py": "def halo():\n    raise NotImplementedError",
    "engine/l.py": "import numpy as np\nnp.load('a.npy', allow_pickle=True)",
    "engine/n.py": "import os\nos.replace('a', 'b')",
    "engine/o.py": "def put(beside, path):\n    beside.replace(path)",
    "engine/u.py": f"x = 1  # {'x' * MAX_SIGNS}",
    "engine/p.py": "x: int = 'a'  # type: ignore",
    "engine/q.py": "x: int = 'a'  # type: ignore[assignment]",
    "engine/r.py": "try:\n    f()\nexcept ValueError as e:\n    raise InputError(f'no: {e}')",
    "engine/s.py": "try:\n    f()\nexcept (InputError, OSError) as e:\n    raise Error(f'{e.strerror}')",
    "engine/t.py": "try:\n    f()\nexcept OSError as e:\n    why = getattr(e, 'strerror', None)",
    "msr_plugin/h.py": "try:\n    f()\nexcept (KeyError, OSError) as e:\n    say(f'no: {e}')",
    "msr_plugin/i.py": "try:\n    f()\nexcept OSError as e:\n    say(str(e))",
    "training/d.py": "import subprocess\nsubprocess.run('ls', shell=True)",
    "training/e.py": "import yaml\nyaml.load('a: 1', Loader=yaml.Loader)",
    "msr_plugin/g.py": "exec('import torch')",
}


@pytest.mark.parametrize("place", BREACHES)
def test_the_checker_sees_a_breach(tmp_path: Path, place: str) -> None:
    plant(tmp_path, {place: BREACHES[place]})
    found = problems(tmp_path)
    assert found
    assert all(line.startswith(place) for line in found)


def test_the_checker_lets_good_code_pass(tmp_path: Path) -> None:
    good = {
        "engine/a.py": "import torch\nmodel.eval()\nx: int = 1  # type: ignore[misc]  # its types lie",
        "training/b.py": "import yaml\nclass Own(yaml.SafeLoader): ...\nyaml.load('a: 1', Loader=Own)",
        "training/a.py": "import yaml\nyaml.safe_load('a: 1')",
        "engine/b.py": "from engine.errors import A\ntry:\n    f()\nexcept A as e:\n    raise A(f'p: {e}')",
        "engine/c.py": "try:\n    f()\nexcept OSError as error:\n    raise InputError(f'{reason(error)}')",
    }
    plant(tmp_path, good)
    assert problems(tmp_path) == []


def test_the_rest_stays_short_too() -> None:
    files = [*ROOT.glob("*.py"), *(ROOT / ".ci").glob("*.py"), *(ROOT / "tests").rglob("*.py")]
    files += (ROOT / "docs").rglob("*.py")
    long = [str(p) for p in files if len(p.read_text(encoding="utf-8").splitlines()) >= MAX_LINES]
    assert long == []


def test_engine_and_plugin_read_json_of_unknown_hands_alike() -> None:
    """Neither may import the other, so the file stands twice: word for word."""
    one, two = (ROOT / room / "plain_json.py" for room in ("engine/package", "msr_plugin/packages"))
    assert one.read_bytes() == two.read_bytes()
