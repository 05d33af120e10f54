"""The page of the results as a file: parts between markers, each replaced or compared alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.errors import InputError
from engine.files.atomic import write_text

_BLOCK = re.compile(r"<!-- part: (\w+) -->\n(.*?)<!-- end: (\w+) -->", re.DOTALL)
_COUNT = re.compile(r"^\*\*(\d+) of (\d+) claims hold\.\*\*", re.MULTILINE)


def parts_of(text: str, name: str) -> dict[str, str]:
    """Return the parts of a page, what stands between the markers of each.

    Args:
        text: of the page.
        name: of the page, for errors.

    Raises:
        InputError: a marker lacks its other half, or a part stands there twice.
    """
    parts: dict[str, str] = {}
    for begun, body, ended in _BLOCK.findall(text):
        if begun != ended or begun in parts or "<!-- part:" in body:
            raise InputError(f"{name}: the markers of the part {begun} are not one pair.")
        parts[begun] = body
    if text.count("<!-- part:") != len(parts) or text.count("<!-- end:") != len(parts):
        raise InputError(f"{name}: a part's marker lacks its other half.")
    return parts


def page_of(introduction: str, parts: Mapping[str, str], order: Sequence[str]) -> str:
    """Return a page: the introduction, the parts that there are in their order, how many claims hold."""
    blocks = [introduction.strip() + "\n"]
    shown = [part for part in order if part in parts]
    blocks += [f"<!-- part: {part} -->\n{parts[part]}<!-- end: {part} -->\n" for part in shown]
    counts = [match for part in shown for match in _COUNT.findall(parts[part])]
    held, claims = sum(int(held) for held, _ in counts), sum(int(claims) for _, claims in counts)
    blocks.append(f"In all, {held} of the {claims} claims on this page hold.\n")
    return "\n".join(blocks)


def write_page(path: Path, introduction: str, parts: Mapping[str, str], order: Sequence[str]) -> None:
    """Write parts into a page; its other parts stay as they are.

    Args:
        path: of the page, which may be missing.
        introduction: what stands before the parts.
        parts: by name, what stands between their markers.
        order: of all parts that a page may have.

    Raises:
        InputError: the page's markers are in disorder.
    """
    old = parts_of(_read(path), str(path)) if path.is_file() else {}
    write_text(path, page_of(introduction, {**old, **parts}, order))


def check_page(path: Path, introduction: str, parts: Mapping[str, str], order: Sequence[str]) -> None:
    """Compare a page with what it should say: these parts, and what stands around all parts.

    Args:
        path, introduction, parts, order: as `write_page`.

    Raises:
        InputError: the page is missing, or differs; the sentence names the first part that does.
    """
    if not path.is_file():
        raise InputError(f"There is no page {path}: write it with --write.")
    text = _read(path)
    there = parts_of(text, str(path))
    for part in (part for part in order if part in parts):
        if part not in there:
            raise InputError(f"{path} lacks the part {part}: write it with --write.")
        if there[part] != parts[part]:
            where = _where(there[part], parts[part])
            raise InputError(f"{path} differs from the results in the part {part}: {where}")
    if text != page_of(introduction, there, order):
        raise InputError(f"{path} differs from the results outside its parts: write it anew with --write.")


def _where(there: str, wanted: str) -> str:
    """Return the first line that differs, as the page and as the results have it."""
    old, new = there.splitlines(), wanted.splitlines()
    ends = max(len(old), len(new))
    old, new = old + [""] * (ends - len(old)), new + [""] * (ends - len(new))
    first = next((i for i in range(ends) if old[i] != new[i]), 0)
    return f"it says “{old[first]}”, the results say “{new[first]}”."


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
