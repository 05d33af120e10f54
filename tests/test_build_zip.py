"""The plugin's zip: what is in it, what is not, and that the same files give the same bytes."""

from __future__ import annotations

import configparser
import importlib.util
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("docs/glossary.md", "docs/diagrams/raster.svg")
CHANGELOG = """# Changelog

Words.

## [Unreleased]

- Not yet.

## [1.2.3] - 2026-01-31

First.

### Added

- `a` and [b](docs/b.md), told
  in two lines.

## [1.2.2] - 2026-01-30

- Less.

[1.2.3]: https://example.org/1.2.3
"""
NOTES = "1.2.3 (2026-01-31)\nFirst.\n- a and b, told in two lines.\n1.2.2 (2026-01-30)\n- Less."


@pytest.fixture(scope="module")
def build_zip() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_zip", ROOT / "build_zip.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path, build_zip: ModuleType) -> Path:
    """A small tree with what the zip needs, and with what it must leave out."""
    root = tmp_path / "tree"
    for folder in build_zip.FOLDERS:
        (root / folder / "__pycache__").mkdir(parents=True)
        (root / folder / "__pycache__" / "a.cpython-311.pyc").write_bytes(b"cache")
        (root / folder / "a.py").write_text("A = 1\n", encoding="utf-8")
    for file in build_zip.FILES:
        (root / file).write_text("text\n", encoding="utf-8")
    (root / "metadata.txt").write_text("[general]\nversion=1.2.3\n", encoding="utf-8")
    (root / "engine/version.py").write_text('VERSION = "1.2.3"\n', encoding="utf-8")
    (root / "CHANGELOG.md").write_text(CHANGELOG, encoding="utf-8")
    (root / "docs/diagrams").mkdir(parents=True)
    for page in PAGES:
        (root / page).write_text("text\n", encoding="utf-8")
    (root / "docs/diagrams/draw.py").write_text("no", encoding="utf-8")
    (root / "resources/.hidden").write_text("no", encoding="utf-8")
    (root / "resources/out.1234.part.tif").write_text("no", encoding="utf-8")
    (root / "tests").mkdir()
    (root / "tests/test_a.py").write_text("no", encoding="utf-8")
    return root


def test_it_holds_the_program_and_nothing_else(tree: Path, build_zip: ModuleType) -> None:
    output = build_zip.build(tree)
    assert output == tree / "build" / "msr-1.2.3.zip"
    with zipfile.ZipFile(output) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    folders = [f"msr/{folder}/a.py" for folder in build_zip.FOLDERS]
    assert sorted(names) == sorted(
        [*(f"msr/{f}" for f in (*build_zip.FILES, *PAGES)), *folders, "msr/engine/version.py"]
    )


def test_the_same_files_give_the_same_bytes(tree: Path, build_zip: ModuleType, tmp_path: Path) -> None:
    first = build_zip.build(tree, tmp_path / "one").read_bytes()
    for path in tree.rglob("*.py"):
        path.touch()
        path.chmod(0o600)
    assert build_zip.build(tree, tmp_path / "two").read_bytes() == first
    (tree / "engine/a.py").write_text("A = 2\n", encoding="utf-8")
    assert build_zip.build(tree, tmp_path / "three").read_bytes() != first


def test_two_versions_are_refused(tree: Path, build_zip: ModuleType) -> None:
    (tree / "engine/version.py").write_text('VERSION = "1.2.4"\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"1\.2\.3.*1\.2\.4"):
        build_zip.build(tree)


@pytest.mark.parametrize("name", ["LICENSE", "README.md", "resources"])
def test_a_missing_part_is_named(tree: Path, build_zip: ModuleType, name: str) -> None:
    (tree / name).rename(tree / "elsewhere")
    with pytest.raises(FileNotFoundError, match=name):
        build_zip.build(tree)


def test_one_too_large_leaves_nothing(tree: Path, build_zip: ModuleType, monkeypatch) -> None:
    monkeypatch.setattr(build_zip, "MOST_BYTES", 100)
    with pytest.raises(ValueError, match="MB"):
        build_zip.build(tree)
    assert list((tree / "build").iterdir()) == []


def test_the_checkouts_zip_is_fit_for_the_repository(build_zip: ModuleType, tmp_path: Path) -> None:
    output = build_zip.build(ROOT, tmp_path)
    assert output.stat().st_size < 25e6
    with zipfile.ZipFile(output) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0] for name in names} == {"msr"}
    needed = (
        "metadata.txt",
        "LICENSE",
        "__init__.py",
        "engine/package/card.schema.json",
        "resources/icons/msr.svg",
    )
    assert {f"msr/{name}" for name in needed} <= set(names)
    assert not [
        n for n in names if "__pycache__" in n or "/tests/" in n or n.endswith((".pyc", ".so", ".pt"))
    ]


def test_metadata_tells_the_released_versions(tree: Path, build_zip: ModuleType) -> None:
    for _ in range(2):  # what is made of what was made is the same
        text = build_zip.metadata(tree)
        (tree / "metadata.txt").write_text(text, encoding="utf-8")
    parser = configparser.ConfigParser()  # with variables, as QGIS reads it
    parser.read_string(text)
    assert parser["general"]["changelog"] == NOTES
    assert parser["general"]["version"] == "1.2.3"
    with zipfile.ZipFile(build_zip.build(tree)) as archive:
        assert archive.read("msr/metadata.txt").decode("utf-8") == text


def test_the_committed_metadata_is_what_the_changelog_makes(build_zip: ModuleType) -> None:
    assert (ROOT / "metadata.txt").read_text(encoding="utf-8") == build_zip.metadata(ROOT)


def test_a_sign_that_qgis_cannot_read_is_refused(tree: Path, build_zip: ModuleType) -> None:
    (tree / "CHANGELOG.md").write_text(CHANGELOG.replace("Less", "5 % less"), encoding="utf-8")
    with pytest.raises(ValueError, match="percent"):
        build_zip.build(tree)
