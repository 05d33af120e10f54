"""The site's pages that do not lie in docs/: those of the root, and the Python reference.

MkDocs calls `on_files` and `on_page_markdown` (mkdocs.yml names this file). Pages are written for
readers of the repository, so their links name its files; here they become links of the site, and what they
name beside pages (pictures, configurations, the licence) is copied into it. The reference has one page for
each room, found by walking the houses, and is made from docstrings that are read, not imported.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # tests read this file where MkDocs is not installed
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent.parent
HOUSES = ("engine", "training", "msr_plugin")
FROM_ROOT = {"README.md": "index.md", "CONTRIBUTING.md": "CONTRIBUTING.md", "CHANGELOG.md": "CHANGELOG.md"}
LOOK = ("resources/icons/msr.svg",)  # what the theme shows
LINK = re.compile(r"(!?\[(?:[^][]|\[[^]]*\])*\])\(([^)\s]+)\)")


def place_of(file: str) -> str:
    """Return where a file of the repository lies on the site; both relative to their root."""
    return FROM_ROOT.get(file) or file.removeprefix("docs/")


def file_of(page: str) -> str:
    """Return the file of the repository that a page of the site is made of."""
    return next((file for file, place in FROM_ROOT.items() if place == page), f"docs/{page}")


def named_files(text: str, file: str) -> Iterator[str]:
    """Yield the files that the links and pictures of a document name, relative to the repository's root.

    `file` is the document itself.
    """
    for _, target in LINK.findall(text):
        name = target.partition("#")[0]
        if name and not re.match(r"[a-z]+:", name):
            yield posixpath.normpath(posixpath.join(posixpath.dirname(file), name))


def site_links(text: str, file: str) -> str:
    """Return a document with its links to files as the site has them."""

    def link(match: re.Match[str]) -> str:
        words, target = match.groups()
        name, mark, anchor = target.partition("#")
        if not name or re.match(r"[a-z]+:", name):
            return match[0]
        [named] = named_files(match[0], file)
        start = posixpath.dirname(place_of(file))
        return f"{words}({posixpath.relpath(place_of(named), start or '.')}{mark}{anchor})"

    blocks = re.split(r"(^```.*?^```)", text, flags=re.DOTALL | re.MULTILINE)
    return "".join(block if block.startswith("```") else LINK.sub(link, block) for block in blocks)


def order() -> list[str]:
    """Return the rooms, as `house/room`, in the order that tests/test_architecture.py gives them."""
    tree = ast.parse((ROOT / "tests" / "test_architecture.py").read_text(encoding="utf-8"))
    rooms = []
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ORDER":
            words = [n for n in ast.walk(node) if isinstance(n, ast.Constant)]
            house = ""
            for word in sorted(words, key=lambda n: (n.lineno, n.col_offset)):
                if word.value in HOUSES:
                    house = str(word.value)
                else:
                    rooms.append(f"{house}/{word.value!s}")
    return rooms


def modules(folder: Path) -> list[str]:
    """Return the dotted names of a folder's own files and those below; packages before what is in them."""
    files = sorted(folder.rglob("*.py"), key=lambda p: (p.parent.parts, p.name != "__init__.py", p.name))
    names = (".".join(p.relative_to(ROOT).with_suffix("").parts) for p in files)
    return [name.removesuffix(".__init__") for name in names]


def purpose(path: Path) -> str:
    """Return the first line of a file's docstring."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]


def reference() -> dict[str, str]:
    """Return the reference's pages in Markdown by their place on the site: houses, each before its rooms."""
    ranks = {room: number for number, room in enumerate(order())}
    pages = {}
    for house in HOUSES:
        rooms = [path.parent for path in (ROOT / house).glob("*/__init__.py")]
        rooms.sort(key=lambda p: (ranks.get(f"{house}/{p.name}", len(ranks)), p.name))
        pages[f"reference/{house}/index.md"] = house_page(house, rooms, ranks)
        for room in rooms:
            parts = [f"# {house}/{room.name}", *(f"::: {name}" for name in modules(room)), ""]
            pages[f"reference/{house}/{room.name}.md"] = "\n\n".join(parts)
    return pages


def house_page(house: str, rooms: Sequence[Path], ranks: Mapping[str, int]) -> str:
    """Return a house's first page: its rooms, and the files that lie in none, by their ranks."""
    names = [path.stem for path in (ROOT / house).glob("*.py") if path.stem != "__init__"]
    names.sort(key=lambda name: (ranks.get(f"{house}/{name}", len(ranks)), name))
    rows = [f"| [{room.name}]({room.name}.md) | {purpose(room / '__init__.py')} |" for room in rooms]
    table = "\n".join(["| Room | Purpose |", "|---|---|", *rows])
    head = [f"# {house}", purpose(ROOT / house / "__init__.py"), table]
    return "\n\n".join([*head, *(f"::: {house}.{name}" for name in names), ""])


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and the files that the pages name; put the reference into the navigation."""
    from mkdocs.structure.files import File

    def add(place: str, file: str) -> None:
        if files.get_file_from_path(place) is None and (ROOT / file).is_file():
            files.append(File.generated(config, place, abs_src_path=str(ROOT / file)))

    for file, place in FROM_ROOT.items():
        add(place, file)
    for page in files.documentation_pages():
        file = file_of(page.src_uri)
        for named in named_files((ROOT / file).read_text(encoding="utf-8"), file):
            add(place_of(named), named)
    for file in LOOK:
        add(file, file)
    pages = reference()
    for place, text in pages.items():
        files.append(File.generated(config, place, content=text))
    houses = {house: [p for p in pages if p.startswith(f"reference/{house}/")] for house in HOUSES}
    config.nav = [*(config.nav or []), {"Python reference": [{house: houses[house]} for house in HOUSES]}]
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return a page's text with the site's links."""
    if page.file.src_uri.startswith("reference/"):
        return markdown
    return site_links(markdown, file_of(page.file.src_uri))
