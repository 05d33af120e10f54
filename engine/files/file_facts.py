"""What tells cheaply whether files have changed: their sizes, times, and a sample of their bytes."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from datetime import datetime, timezone

Facts = dict[str, str | int]

_BLOCK, _BLOCKS = 2**16, 16  # bytes of a piece, and how many of a file, its first and last among them
_SAMPLED = 16  # files: of more, such as a store's, sizes and times are all that is looked at


def file_facts(paths: Iterable[str | os.PathLike[str]]) -> Facts | None:
    """Return what is to be the same of files that have not changed, None where one cannot be looked at.

    A time alone would miss a file that is written twice in a tick of its disk's clock, or whose time was set
    back; a digest of all bytes would read rasters of any size before the run does.

    Returns:
        `bytes` of all files, `modified`, when the newest was, to the nanosecond, `digest` of their sizes,
        times and of pieces of their bytes, and `files`, how many, where there are several.
    """
    named = sorted({os.path.abspath(path) for path in paths})
    if not named:
        return None
    folder = os.path.dirname(named[0]) if len(named) == 1 else os.path.commonpath(named)
    digest, size, newest = hashlib.sha256(), 0, 0
    try:
        for path in named:
            status = os.stat(path)
            if not stat.S_ISREG(status.st_mode):
                return None
            told = f"{os.path.relpath(path, folder)}\0{status.st_size}\0{status.st_mtime_ns}\0"
            digest.update(told.encode("utf-8", "surrogateescape"))
            if len(named) <= _SAMPLED:
                _add_sample(digest, path, status.st_size)
            size, newest = size + status.st_size, max(newest, status.st_mtime_ns)
    except (OSError, ValueError):  # on another drive, or gone
        return None
    facts: Facts = {"bytes": size, "modified": _iso(newest), "digest": digest.hexdigest()[:32]}
    return facts if len(named) == 1 else {**facts, "files": len(named)}


def _add_sample(digest: hashlib._Hash, path: str, size: int) -> None:
    """Add pieces that lie evenly over a file."""
    last = max(0, size - _BLOCK)
    places = sorted({last * i // (_BLOCKS - 1) for i in range(_BLOCKS)})
    with open(path, "rb") as file:
        for place in places:
            file.seek(place)
            digest.update(file.read(_BLOCK))


def _iso(nanoseconds: int) -> str:
    """Return a time in UTC, all its digits."""
    seconds, rest = divmod(nanoseconds, 10**9)
    try:
        when = datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    except (OverflowError, OSError, ValueError):  # a disk may tell years that Python does not know
        return f"{nanoseconds} ns"
    return f"{when}.{rest:09d}+00:00"
