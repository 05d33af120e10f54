"""A page of HTML of one's own: its parts, the check of its place, and how it is written."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from ...translation import tr
from ..rasters import RasterProblem

_STYLE = (
    "body{font-family:sans-serif;max-width:60em}table{border-collapse:collapse}"
    "td,th{border:1px solid #bbb;padding:3px 8px;text-align:left}li{margin:.4em 0}"
)


def page(title: str, parts: Iterable[str]) -> str:
    """Return a page; the parts are HTML already, the title is not."""
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    body = f"<h1>{escape(title)}</h1>{''.join(parts)}"
    return f"<!DOCTYPE html><html><head>{head}</head><body>{body}</body></html>\n"


def lines(texts: Sequence[str]) -> str:
    """Return a list with an entry for each text."""
    return f"<ol>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ol>"


def check_page(label: str, path: str | None, endings: tuple[str, ...] = (".html", ".htm")) -> None:
    """Refuse a page, or a table, that has no folder to stand in, or another ending.

    Raises:
        RasterProblem: naming its parameter.
    """
    if not path:
        return
    folder = Path(path).absolute().parent
    if Path(path).suffix.lower() not in endings:
        raise RasterProblem(tr("{} must end in {}: {}").format(label, endings[0], path))
    if not folder.is_dir():
        raise RasterProblem(tr("{}: the folder does not exist: {}").format(label, folder))
    if not os.access(folder, os.W_OK):
        raise RasterProblem(tr("{}: the folder cannot be written to: {}").format(label, folder))


def write_page(path: str, text: str) -> None:
    """Write a page, which has its name once it is whole.

    Raises:
        OSError: it cannot be written.
    """
    beside = Path(f"{path}.{os.getpid()}.part")
    try:
        beside.write_text(text, encoding="utf-8", errors="replace")
        beside.replace(path)
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()
