"""One self-contained HTML page, with numbered tables and figures."""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Collection, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from engine.files.atomic import write_text
from training.html.style import STYLE


class Cell(NamedTuple):
    """A cell of a table: text, and smaller text below it, such as an interval."""

    text: str
    small: str = ""


class Page:
    """A page that is filled section by section and then written.

    Args:
        title, subtitle: plain text.
        style: further style sheet rules.
    """

    def __init__(self, title: str, subtitle: str = "", style: str = "") -> None:
        self.title, self.subtitle, self.style = title, subtitle, style
        self._parts: list[str] = []
        self._sections: list[str] = []
        self._count = {"Figure": 0, "Table": 0}
        self._foot = ""

    def html(self, text: str) -> Page:
        """Add HTML as it is."""
        self._parts.append(text)
        return self

    def section(self, title: str, content: Any = "", caption: str = "") -> Page:
        """Add a heading and what stands below it.

        Args:
            title: plain text; empty: what follows belongs to the section before.
            content: HTML (see `figure_html`, `table_html`), or a matplotlib figure, which is closed.
            caption: HTML; with one, content is numbered as a figure or a table.
        """
        if title:
            self._sections.append(title)
            self._parts.append(f'<h2 id="{_anchor(title)}">{escape(title)}</h2>')
        text = content if isinstance(content, str) else figure_html(content, alt=title)
        if caption and "<table" in text:
            self._parts.append(f'<p class="caption">{self._number("Table")}{caption}</p>{text}')
        elif caption:
            told = f"<figcaption>{self._number('Figure')}{caption}</figcaption>"
            self._parts.append(f"<figure>{text}{told}</figure>")
        else:
            self._parts.append(text)
        return self

    def _number(self, kind: str) -> str:
        self._count[kind] += 1
        return f"<b>{kind} {self._count[kind]}.</b> "

    def foot(self, text: str) -> Page:
        """Set the last lines, HTML: how the page was made."""
        self._foot = text
        return self

    def render(self) -> str:
        """Return the whole page."""
        links = "".join(f'<a href="#{_anchor(title)}">{escape(title)}</a>' for title in self._sections)
        nav = f"<nav>{links}</nav>" if len(self._sections) > 4 else ""
        lead = f'<p class="lead">{escape(self.subtitle)}</p>' if self.subtitle else ""
        body = "\n".join(self._parts)
        foot = f"<footer>{self._foot}</footer>" if self._foot else ""
        return (
            "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
            "<meta name='viewport' content='width=device-width,initial-scale=1'>"
            f"<title>{escape(self.title)}</title><style>{STYLE}{self.style}</style></head><body>\n"
            f"<h1>{escape(self.title)}</h1>{lead}{nav}\n{body}\n{foot}</body></html>\n"
        )

    def write(self, path: Path) -> None:
        """Write the page; its name appears only once it is whole."""
        write_text(path, self.render())


def figure_html(figure: Any, alt: str = "", vector: bool = True, dpi: int = 150, lossy: bool = False) -> str:
    """Return a matplotlib figure as an image inside the page, and close it.

    Args:
        figure: as drawn.
        alt: what it shows, plain text.
        vector: SVG, for lines; otherwise cells, for maps.
        dpi: of cells, and of maps inside an SVG.
        lossy: WebP instead of PNG, a seventh of its size where maps are large.
    """
    from matplotlib import pyplot

    buffer = io.BytesIO()
    kind = "svg" if vector else "webp" if lossy else "png"
    more: dict[str, Any] = {"pil_kwargs": {"quality": 90}} if kind == "webp" else {}
    if vector:
        more = {"metadata": {"Date": None}}  # the same numbers give the same page
    figure.savefig(buffer, format=kind, dpi=dpi, **more)
    width = round(figure.get_figwidth() * 104)  # a figure across the page is 1040 pixels wide
    pyplot.close(figure)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    mime = "svg+xml" if vector else kind
    return f'<img alt="{escape(alt)}" width="{width}" src="data:image/{mime};base64,{data}">'


def table_html(
    head: Sequence[str],
    rows: Sequence[Sequence[str | Cell]],
    best: Collection[tuple[int, int]] = (),
    own: Collection[int] = (),
    words: int = 1,
) -> str:
    """Return a table of results.

    Args:
        head: titles of the columns.
        rows: text of each cell; a row of one cell is the heading of a group.
        best: (row, column) of the cells that are marked.
        own: rows that stand out.
        words: how many of the first columns hold words; the others hold numbers.
    """

    def kind(column: int) -> str:
        return ' class="n"' if column >= words else ""

    lines = ["<tr>" + "".join(f"<th{kind(i)}>{escape(h)}</th>" for i, h in enumerate(head)) + "</tr>"]
    for number, row in enumerate(rows):
        if len(row) == 1:
            lines.append(f'<tr class="group"><td colspan="{len(head)}">{escape(str(row[0]))}</td></tr>')
            continue
        cells = []
        for column, cell in enumerate(row):
            text, small = cell if isinstance(cell, Cell) else (cell, "")
            classes = ["n"] * (column >= words) + ["best"] * ((number, column) in best)
            told = f' class="{" ".join(classes)}"' if classes else ""
            below = f"<br><small>{escape(small)}</small>" if small else ""
            cells.append(f"<td{told}>{escape(text)}{below}</td>")
        lines.append(f"<tr{' class=own' if number in own else ''}>{''.join(cells)}</tr>")
    return f'<div class="scroll"><table class="results">{"".join(lines)}</table></div>'


def facts_html(facts: Sequence[tuple[str, str]]) -> str:
    """Return names and what they are, plain text, as a table of two columns."""
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in facts)
    return f'<table class="facts">{rows}</table>'


def nearest(values: Sequence[float], perfect: float | None) -> set[int]:
    """Return where the values nearest to the perfect one stand; nowhere without a perfect one."""
    if perfect is None:
        return set()
    distances = [abs(v - perfect) for v in values]
    best = min((d for d in distances if not math.isnan(d)), default=math.nan)
    return {i for i, d in enumerate(distances) if d == best}


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
