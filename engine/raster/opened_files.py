"""Which files on disk the rasters of a run are read from, so that no output takes the place of one.

A raster's name need not be a file's: it may be GDAL's for a part of one (`GTIFF_DIR:1:a.tif`,
`NETCDF:"a.nc":tas`, `/vsizip/a.zip/a.tif`, `vrt://a.tif?bands=1`), a URI, or that of a file of text
(a VRT, say) which names others, and these others again. So every existing file counts that a name
mentions. Names are taken apart as text: nothing is opened but such files of text.
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote

from engine.errors import InputError
from engine.raster.cf.store_contents import is_store

_STARTS = re.compile(r"vsi[a-z0-9_]+/|:///|://|[:,=\"{?]", re.IGNORECASE)
_ENDS = re.compile(r"[/:?|#,\"!}&]")
_MOST_TEXT = 64 * 2**20  # bytes read of a file that names others
_MOST_NAME = 4096  # of a name that is taken apart, in characters
_MOST_LABEL = 2**16  # bytes of a label in plain text that names its cells' file, as those of ISIS and PDS
_WORDS = re.compile(r"\"([^\"\n]+)\"|'([^'\n]+)'|([^\s\"'=<>(){};,]+)")
_STRINGS = re.compile(r">([^<>]*[^\W\d_][^<>]*)<|[\"']([^\"'<>]*[^\W\d_][^\"'<>]*)[\"']")
SIDECARS = (".aux.xml", ".ovr", ".msk")  # of a GeoTIFF; GDAL reads and writes them beside it


def opened_files(names: Iterable[str | os.PathLike[str]], folder: Path | None = None) -> set[Path]:
    """Return the existing files that names of rasters mean, lead through or refer to; a Zarr store as one.

    Args:
        names: paths, GDAL names or URIs.
        folder: that relative names start from; the working folder by default.
    """
    base = folder or Path.cwd()
    files: set[Path] = set()
    waiting = [(base, os.fspath(name)) for name in names]
    while waiting:
        start, name = waiting.pop()
        if name.lstrip().startswith("<"):  # a VRT as text
            waiting += [(start, each) for each in _strings(name)]
            continue
        for file in _mentioned(name, start) - files:
            files.add(file)
            waiting += [(place, each) for each in _names_inside(file) for place in (file.parent, base)]
    return files


def lost_file(output: Path, files: Iterable[Path]) -> Path | None:
    """Return the first of the files that writing an output would replace or remove, None without one.

    A store is replaced with all that lies in it.
    """
    at_stake = [place for place in (output, *sidecars(output)) if os.path.lexists(place)]
    for file in files:
        around = file.resolve().parents if output.is_dir() else ()
        if any(same_file(own, place) for own in (file, *around) for place in at_stake):
            return file
    return None


def sidecars(output: Path) -> Iterator[Path]:
    """Yield the files that belong to a GeoTIFF, whether or not they are there."""
    for suffix in SIDECARS:
        yield output.with_name(output.name + suffix)


def same_file(a: str | os.PathLike[str], b: str | os.PathLike[str]) -> bool:
    """Return whether two paths mean the same file, by whatever links."""
    try:
        return os.path.samefile(a, b)
    except (OSError, ValueError):
        return os.path.normcase(os.path.realpath(a)) == os.path.normcase(os.path.realpath(b))


def from_the_root(name: str) -> str:
    """Return one of GDAL's names with the relative path of a file in it from the root.

    Raises:
        InputError: it is a text that names files by relative paths.
    """
    if name.lstrip().startswith("<"):
        named = (each for each in _strings(name) if not os.path.isabs(each) and os.path.isfile(each))
        if (first := next(named, None)) is not None:
            raise InputError(
                f"A VRT given as text names {first}, which other processes cannot find: give its path from "
                "the root."
            )
        return name
    ends = [len(name), *(match.start() for match in reversed(list(_ENDS.finditer(name))))]
    for start in sorted({0, *(match.end() for match in _STARTS.finditer(name))}):
        for end in (end for end in ends if end > start):
            if _file(name[start:end], Path()) is not None:
                path = name[start:end]
                return name if os.path.isabs(path) else name[:start] + os.path.abspath(path) + name[end:]
    return name


def _mentioned(name: str, folder: Path) -> set[Path]:
    """Return the existing files that a name is, or else those that are parts of it."""
    whole = _file(name, folder)
    if whole is not None:
        return {whole}
    if len(name) > _MOST_NAME:
        return set()
    files: set[Path] = set()
    for text in {name, unquote(name)}:
        starts = {0}
        for match in _STARTS.finditer(text):
            starts |= {match.end(), match.end() - match[0].endswith("///")}
        ends = [len(text), *(match.start() for match in reversed(list(_ENDS.finditer(text))))]
        for start in starts:
            pieces = (_file(text[start:end], folder) for end in ends if end > start)
            longest = next((piece for piece in pieces if piece is not None), None)
            if longest is not None:
                files.add(longest)
    return files


def _file(text: str, folder: Path) -> Path | None:
    path = folder / text
    return path if text and (os.path.isfile(path) or is_store(str(path))) else None


def _names_inside(file: Path) -> set[str]:
    """Return what a file of text may name, nothing of any other file."""
    try:
        with file.open("rb") as stream:
            start = stream.read(_MOST_LABEL)
            if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
                return _strings((start + stream.read(_MOST_TEXT)).decode("utf-8", "replace"))
    except OSError:
        return set()
    if b"\0" in start[:1024]:
        return set()
    words = ("".join(groups) for groups in _WORDS.findall(start.decode("utf-8", "replace")))
    return {word for word in words if any(map(str.isalpha, word)) and len(word) <= _MOST_NAME}


def _strings(text: str) -> set[str]:
    return {html.unescape(a or b).strip() for a, b in _STRINGS.findall(text)}
