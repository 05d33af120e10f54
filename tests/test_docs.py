"""The documents: what they name exists, the README is short, the glossary whole, made pages are as made."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.diagrams.draw import DIAGRAMS, made
from tests.source_tree import ROOT

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
MOST_WORDS = 900
HOUSES = ("engine", "training", "msr_plugin", "tests", "docs", "resources", ".ci")
# What commands make, and what stands for the reader's own.
NOT_COMMITTED = re.compile(r"^(\.envs|build|demo|runs|stores|\.\./shared)(/|$)")
TERMS = (
    *("halo", "base", "strength", "tile", "member", "supported share", "case", "archive", "patch", "coarse"),
    *("fine", "factor", "covariate", "source kind", "conservation", "climatology", "constructed analogues"),
    *("cascade", "lapse rate", "split", "record", "claim", "nature run", "CRPS", "RALSD", "store", "card"),
    *("truth", "channel", "window", "estimate"),
)


def documents(root: Path = ROOT) -> list[Path]:
    """Return every document that people read."""
    return [*(root / name for name in DOCUMENTS), *sorted((root / "docs").glob("*.md"))]


def prose(text: str) -> str:
    """Return a document's text without code blocks, tables, pictures and the targets of links."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^\|.*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"!\[[^]]*\]\([^)]*\)", "", text)
    return re.sub(r"\]\([^)]*\)", "]", text)


def anchors(path: Path) -> set[str]:
    """Return the anchors of a document's headings."""
    heads = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def bad_links(path: Path, root: Path) -> Iterator[str]:
    """Yield links and pictures of a document whose file or heading is not there."""
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.is_file() or (anchor and anchor not in anchors(file)):
            yield target


def bad_paths(text: str, root: Path) -> Iterator[str]:
    """Yield paths of this repository that are named and not there; a trailing /… or * stands for files."""
    words = re.findall(r"[\w./*-]+", text)
    for word in words:
        name = word.strip(".,:").removeprefix("./")
        top = name.partition("/")[0]
        if NOT_COMMITTED.match(name):
            continue
        is_path = "/" in name and top in HOUSES and not name.endswith("//")
        is_file = re.fullmatch(
            r"build_zip\.py|metadata\.txt|pyproject\.toml|mkdocs\.yml|requirements-[\w-]+\.txt", name
        )
        if (is_path or is_file) and not list(root.glob(name.rstrip("/"))):
            yield name


def bad_modules(text: str) -> Iterator[str]:
    """Yield modules of this repository that a document runs or names and that cannot be found."""
    named = set(re.findall(r"-m ((?:engine|training|docs)[\w.]*)", text))
    named |= {name.rstrip(".") for name in re.findall(r"`((?:engine|training)\.[\w.]+)`", text)}
    for name in named:
        parts = name.split(".")
        parts = parts[:-1] if parts[-1][:1].isupper() else parts  # a class
        try:
            if importlib.util.find_spec(".".join(parts)) is None:
                yield name
        except ModuleNotFoundError:
            yield name


def dev_commands() -> set[str]:
    """Return the commands of ./dev."""
    text = (ROOT / "dev").read_text(encoding="utf-8")
    cases = text[text.index("case $command in") :]
    return {
        word for words in re.findall(r"^([a-z |-]+)\)", cases, re.MULTILINE) for word in words.split(" | ")
    }


def problems(path: Path, root: Path = ROOT) -> list[str]:
    """Return what a document names and is not there."""
    text = path.read_text(encoding="utf-8")
    commands = {f"./dev {c}" for c in re.findall(r"\./dev ([a-z]+)", text) if c not in dev_commands()}
    return [*bad_links(path, root), *bad_paths(text, root), *bad_modules(text), *sorted(commands)]


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_what_a_document_names_is_there(path: Path) -> None:
    assert problems(path) == []


BREACHES = {
    "a link": "[Use it](gone.md)",
    "a heading": "[Limits](#gone)",
    "a picture": "![A map](gone.png)",
    "a path": "See `engine/gone/` for it.",
    "a file": "See requirements-gone.txt.",
    "a pattern": "See training/gone/*.yaml.",
    "a module": "`python -m training.gone CONFIG.yaml`",
    "a name": "See `engine.pipeline.gone.Request`.",
    "a command": "Run `./dev gone`.",
}


@pytest.mark.parametrize("text", BREACHES.values(), ids=BREACHES)
def test_the_checker_sees_what_is_not_there(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n{text}\n", encoding="utf-8")
    assert any("gone" in problem for problem in problems(page, tmp_path))


def test_the_checker_lets_good_names_pass(tmp_path: Path) -> None:
    (tmp_path / "engine" / "fields").mkdir(parents=True)
    page = tmp_path / "page.md"
    page.write_text(
        "# A page\n\n[Top](#a-page), [QGIS](https://qgis.org), `engine/fields/`, `.envs/engine/bin/python -m "
        "training.train MY.yaml`, `engine.errors.InputError`, ./dev test, runs/soil8/package\n",
        encoding="utf-8",
    )
    assert problems(page, tmp_path) == []


def test_the_readme_is_short() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(prose(text).split()) <= MOST_WORDS


def test_the_glossary_is_whole() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    heads = re.findall(r"^(.+)\n:   ", text, re.MULTILINE)
    words = {word.strip(" *()").lower() for head in heads for word in re.split(r"[,(]", head)}
    assert [term for term in TERMS if term.lower() not in words] == []


def test_every_term_is_defined_once() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    heads = [head.strip("*") for head in re.findall(r"^\*\*(.+?)\*\*.*\n:   ", text, re.MULTILINE)]
    assert len(heads) == len(set(heads)) == len(re.findall(r"^:   ", text, re.MULTILINE))


@pytest.mark.parametrize("path", made(), ids=lambda path: path.name)
def test_made_pages_are_as_the_command_makes_them(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == made()[path]


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_every_picture_has_a_command(path: Path) -> None:
    script = (ROOT / "dev").read_text(encoding="utf-8")
    commands = script[script.index("\npictures)") :].partition(";;")[0]
    for target in re.findall(r"!\[[^]]*\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        place = (path.parent / target).resolve().relative_to(ROOT).as_posix()
        drawn = place.removeprefix("docs/diagrams/") in DIAGRAMS and "docs.diagrams.draw" in commands
        assert drawn or place in commands, place
