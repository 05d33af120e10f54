"""Files and folders that take their name only when they are whole.

They are written under a temporary name in the same folder, so on the same file system, where a
rename is one step: a reader sees the old one or the whole new one, whenever the writer ends. The
temporary name says which process of which machine writes: what a dead one left, the next writer of
the same file removes.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import itertools
import os
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.files.system_errors import writing_error

HOST = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]  # folders may be shared by machines
_OLD = ".old"
_counter = itertools.count(1)
_own: set[Path] = set()
_lock = threading.Lock()


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
    discard_stale(final)
    with _temporary(final, suffix) as path:
        yield path


@contextmanager
def scratch_folder(final: Path) -> Iterator[Path]:
    """Give a new folder beside `final` for what is needed only while it is made; in the end it is removed."""
    final.parent.mkdir(parents=True, exist_ok=True)
    discard_stale(final)
    with _temporary(final) as path:
        path.mkdir()
        yield path


@contextmanager
def new_folder(final: Path) -> Iterator[Path]:
    """Give a temporary path beside `final`, not yet there; in the end it replaces what stands at `final`.

    After an error nothing is left, and what stood there stands there still.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    discard_stale(final)
    with _temporary(final) as fresh, _temporary(final, mark=_OLD) as old, _spare():
        try:
            yield fresh
            if final.exists():
                os.replace(final, old)
            os.replace(fresh, final)
        finally:
            if old.exists() and not final.exists():
                os.replace(old, final)


def write_text(final: Path, text: str) -> None:
    """Write a text file in UTF-8."""
    with new_file(final) as path:
        path.write_text(text, encoding="utf-8")


def discard_stale(final: Path) -> None:
    """Remove what dead processes of this machine left for the same place.

    A folder that one of them had moved aside, and not yet replaced, comes back.
    """
    pattern = re.compile(rf"\.{re.escape(short_name(final))}(\.old)?\.{HOST}-(\d+)-\d+\.part")
    try:
        names = os.listdir(final.parent)
    except OSError:
        return
    for name in sorted(names, reverse=True):  # what was moved aside comes first
        match = pattern.match(name)
        if match is None:
            continue
        path = final.with_name(name)
        if path in _own or writer_alive(int(match[2]), path):
            continue
        if match[1] and path.is_dir() and not os.path.lexists(final):
            with contextlib.suppress(OSError):  # another process was faster
                os.replace(path, final)
        remove(path)


def discard_own() -> None:
    """Remove every temporary file and folder of this process, which is about to end without unwinding."""
    with _lock:
        paths = list(_own)
    for path in paths:
        remove(path)


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
    except (psutil.Error, OSError):
        return True


@contextmanager
def _temporary(final: Path, suffix: str = "", mark: str = "") -> Iterator[Path]:
    """Give a hidden name of its own, which is removed in the end if it is still there."""
    number = next(_counter)
    path = final.with_name(f".{short_name(final)}{mark}.{HOST}-{os.getpid()}-{number}.part{suffix}")
    with _lock:
        _own.add(path)
    try:
        yield path
    except Exception as error:
        told = writing_error(error, path, final)
        if told is None:
            raise
        raise told from error
    finally:
        remove(path)
        with _lock:
            _own.discard(path)


@contextmanager
def _spare() -> Iterator[None]:
    """Keep a file open that is given up in the end: what is left can be removed where no more may be open."""
    try:
        number = os.open(os.devnull, os.O_RDONLY)
    except OSError:
        yield
        return
    try:
        yield
    finally:
        os.close(number)


def remove(path: Path) -> None:
    """Remove a file or a folder with all that is in it; it need not exist."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        if path.exists():  # it needs open files at each level, of which there may be none left
            _remove_one_by_one(path)
    else:
        with contextlib.suppress(OSError):  # still open, on Windows: the next writer removes it
            path.unlink(missing_ok=True)


def _remove_one_by_one(folder: Path) -> None:
    """Remove a folder with no more than one file open at a time, as far as that is to be had."""
    gc.collect()  # files that only dead objects keep open
    for place, folders, files in os.walk(folder, topdown=False):
        for name in (*files, *folders):
            each = Path(place, name)
            with contextlib.suppress(OSError):
                each.rmdir() if name in folders and not each.is_symlink() else each.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()
