"""Files and folders that take their name only when they are whole.

They are written under a temporary name in the same folder, so on the same file system, where a
rename is one step: a reader sees the old one or the whole new one, whenever the writer ends.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def new_file(final: Path, suffix: str = "") -> Iterator[Path]:
    """Give a temporary path beside `final`, which takes its name in the end; after an error nothing is left.

    Args:
        final: the file; its folder is made if it is not there.
        suffix: how the temporary name ends, for libraries that look at it, such as ".png".
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    with scratch_file(final, suffix) as path:
        yield path
        os.replace(path, final)


@contextmanager
def scratch_file(final: Path, suffix: str = "") -> Iterator[Path]:
    """Give a path beside `final` for what is needed only while it is made; in the end it is removed."""
    path = _temporary(final, suffix)
    try:
        yield path
    finally:
        with contextlib.suppress(OSError):  # still open, on Windows
            path.unlink(missing_ok=True)


@contextmanager
def new_folder(final: Path) -> Iterator[Path]:
    """Give a temporary path beside `final`, not yet there; in the end it replaces what stands at `final`.

    After an error nothing is left, and what stood there stands there still.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    fresh, old = _temporary(final), _temporary(final, mark=".old")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        yield fresh
        if final.exists():
            os.replace(final, old)
        os.replace(fresh, final)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        if old.exists() and not final.exists():
            os.replace(old, final)
        shutil.rmtree(old, ignore_errors=True)


def write_text(final: Path, text: str) -> None:
    """Write a text file in UTF-8."""
    with new_file(final) as path:
        path.write_text(text, encoding="utf-8")


def discard_stale_folders(final: Path) -> None:
    """Remove what dead processes left of their `new_folder` for the same place."""
    for left in final.parent.glob(f".{short_name(final)}.*.part"):
        number = re.search(r"\.(\d+)\.part$", left.name)
        if number and not writer_alive(int(number[1]), left):
            shutil.rmtree(left, ignore_errors=True)


def short_name(final: Path) -> str:
    """Return a file's name for a temporary one to begin with, within what file systems take (255 bytes)."""
    if len(os.fsencode(final.name)) <= 120:
        return final.name
    return final.name[:30] + hashlib.sha256(os.fsencode(final.name)).hexdigest()[:16]


def writer_alive(pid: int, path: Path) -> bool:
    """Tell whether the process that made a file still runs, not this one or another under its number."""
    import psutil

    if pid == os.getpid():  # an earlier process with the same number, or the caller would know of it
        return False
    try:
        return psutil.Process(pid).create_time() <= path.stat().st_ctime + 1
    except (psutil.NoSuchProcess, FileNotFoundError):
        return False
    except psutil.AccessDenied:
        return True


def _temporary(final: Path, suffix: str = "", mark: str = "") -> Path:
    """Return a hidden name, one for each process: two may write the same file."""
    return final.with_name(f".{short_name(final)}{mark}.{os.getpid()}.part{suffix}")
