"""Where files lie: names as the user gave them, in the folder where the user stands, and made absolute.

The engine's process stands elsewhere, so nothing relative is handed to it. A raster's name may be
GDAL's for a part of a file (`NETCDF:"a.nc":tas`, `/vsizip/a.zip/a.tif`, `GTIFF_DIR:1:a.tif`), a VRT
as text, or the name of a file of text (a VRT) that names others.
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Callable
from pathlib import Path

_STARTS = re.compile(r"vsi[a-z0-9_]+/|://|[:,=\"{?]", re.IGNORECASE)
_ENDS = re.compile(r"[/:?|#,\"!}&]")
_TEXTS = re.compile(r"(?<=>)[^<>]*[^\W\d_][^<>]*(?=<)")
_MOST_TEXT = 16 * 2**20  # bytes read of a file that names others


def absolute(path: str) -> str:
    """Return a path as seen from anywhere; "" stays."""
    return os.path.abspath(os.path.expanduser(path)) if path else ""


def absolute_name(name: str) -> str:
    """Return a raster's name with the relative path in it, if there is one, made absolute."""
    if name.lstrip().startswith("<"):
        return _TEXTS.sub(lambda text: html.escape(_absolute_part(html.unescape(text[0]))), name)
    changed = _absolute_part(name)
    plain = ":" not in name and not name.startswith("/vsi")
    return os.path.abspath(name) if plain and changed == name else changed


def files_of(name: str, folder: str = "") -> set[str]:
    """Return the existing files that a raster's name means, leads through or refers to."""
    files: set[str] = set()
    waiting = [(folder or os.getcwd(), name)]
    while waiting:
        start, text = waiting.pop()
        if text.lstrip().startswith("<"):
            waiting += [(start, html.unescape(part)) for part in _TEXTS.findall(text)]
            continue
        parts = _parts(text, start, _is_data)
        mentioned = (os.path.join(start, text[first:last]) for first, last in parts)
        for file in {os.path.realpath(path) for path in mentioned} - files:
            files.add(file)
            waiting.append((os.path.dirname(file), _text_of(file)))
    return files


def same_place(one: str, other: str) -> bool:
    """Return whether two paths mean the same file, by whatever links; it need not exist."""
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):
        return os.path.normcase(os.path.realpath(one)) == os.path.normcase(os.path.realpath(other))


def _absolute_part(name: str) -> str:
    """Return a name with its first part that exists made absolute; what follows may be a variable's name."""
    for first, last in _parts(name, os.getcwd(), os.path.exists)[:1]:
        return name[:first] + os.path.abspath(name[first:last]) + name[last:]
    return name


def _parts(name: str, folder: str, there: Callable[[str], bool]) -> list[tuple[int, int]]:
    """Return the ends of the parts of a name that exist, in their order; of the whole, where that does."""
    if not name or there(os.path.join(folder, name)):
        return [(0, len(name))] if name else []
    starts = sorted({0, *(match.end() for match in _STARTS.finditer(name))})
    ends = [len(name), *(match.start() for match in reversed(list(_ENDS.finditer(name))))]
    parts = []
    for first in starts:
        pieces = (last for last in ends if last > first and there(os.path.join(folder, name[first:last])))
        last = next(pieces, None)
        if last is not None and not name[first:last].isdigit():  # a number counts parts of a file
            parts.append((first, last))
    return parts


def _is_data(path: str) -> bool:
    """Return whether a path is a file, or a Zarr store, which is a folder."""
    return os.path.isfile(path) or (path.lower().endswith(".zarr") and os.path.isdir(path))


def _text_of(file: str) -> str:
    """Return the text of a file that may name others, "" of any other file."""
    try:
        with Path(file).open("rb") as stream:
            start = stream.read(64)
            if not start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
                return ""
            return (start + stream.read(_MOST_TEXT)).decode("utf-8", "replace").lstrip("\ufeff")
    except OSError:
        return ""
