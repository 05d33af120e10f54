"""The documentation's site, as far as it can be read without MkDocs; `./dev docs` builds it, strictly."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.hooks import pages
from tests.source_tree import ROOT

CONFIG = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


def entries() -> list[str]:
    """Return the pages that the navigation names."""
    return [place for entry in yaml.safe_load(CONFIG)["nav"] for place in entry.values()]


def test_every_document_is_in_the_navigation_once() -> None:
    documents = [*pages.FROM_ROOT, *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
    assert sorted(entries()) == sorted(pages.place_of(document) for document in documents)


def test_the_site_loads_nothing_from_elsewhere() -> None:
    config: dict[str, Any] = yaml.safe_load(CONFIG)
    assert re.findall(r"https?:|//\w", CONFIG) == []
    assert config["theme"]["font"] is False  # else Google's
    assert "repo_url" not in config  # else GitHub is asked for stars


def test_what_is_wrong_with_a_link_ends_the_build() -> None:
    config: dict[str, Any] = yaml.safe_load(CONFIG)
    assert config["strict"] is True
    levels = {level for section in config["validation"].values() for level in section.values()}
    assert levels == {"warn"}
    assert config["validation"]["links"].keys() >= {"not_found", "anchors"}


def test_a_page_and_its_file_find_each_other() -> None:
    for file in ("README.md", "CHANGELOG.md", "docs/glossary.md"):
        assert pages.file_of(pages.place_of(file)) == file


@pytest.mark.parametrize(
    ("file", "written", "on_the_site"),
    [
        ("README.md", "[Use it](docs/quickstart.md)", "[Use it](quickstart.md)"),
        ("README.md", "![A map](resources/help/a.png)", "![A map](resources/help/a.png)"),
        ("docs/training.md", "[Licence](../LICENSE)", "[Licence](LICENSE)"),
        ("docs/training.md", "[Limits](../README.md#limits)", "[Limits](index.md#limits)"),
        ("docs/training.md", "[Above](#limits) [QGIS](https://qgis.org)", None),
        ("docs/training.md", "```\n[Licence](../LICENSE)\n```", None),
    ],
)
def test_links_of_the_repository_become_the_sites(file: str, written: str, on_the_site: str | None) -> None:
    assert pages.site_links(written, file) == (on_the_site or written)


def test_the_reference_has_every_module_once() -> None:
    named = [name for text in pages.reference().values() for name in re.findall(r"^::: (.+)$", text, re.M)]
    files = [p.relative_to(ROOT) for house in pages.HOUSES for p in (ROOT / house).rglob("*.py")]
    modules = [".".join(p.with_suffix("").parts).removesuffix(".__init__") for p in files]
    assert sorted(named) == sorted(set(modules) - set(pages.HOUSES))


def test_the_reference_keeps_the_order_of_the_rooms() -> None:
    places = [place for place in pages.reference() if place.startswith("reference/engine/")]
    rooms = [Path(place).stem for place in places]
    assert rooms[0] == "index"
    assert rooms.index("raster") < rooms.index("fields") < rooms.index("commands")


def test_a_new_room_gets_its_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for place, text in {
        "tests/test_architecture.py": 'ORDER = {"engine": ("errors",)}',
        "engine/__init__.py": '"""The engine."""',
        "engine/errors.py": '"""Errors."""',
        "engine/tides/__init__.py": '"""Tides."""',
        "engine/tides/ebb.py": '"""Falling water."""',
        "training/__init__.py": '"""Training."""',
        "msr_plugin/__init__.py": '"""The plugin."""',
    }.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(text, encoding="utf-8")
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    made = pages.reference()
    assert "| [tides](tides.md) | Tides. |" in made["reference/engine/index.md"]
    assert "::: engine.tides\n\n::: engine.tides.ebb" in made["reference/engine/tides.md"]
