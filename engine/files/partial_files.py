"""The outputs of a run under temporary names, until all of them are whole and get their own together.

A process may end at any instant. So the name says which process writes it (those of dead ones are
removed by the next run for the same output), and a list of the own ones lets a process that must
leave at once take them along.
"""

from __future__ import annotations

import itertools
import os
import re
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from engine.contract import PARTIAL_ENDING
from engine.errors import Cancelled
from engine.files.atomic import HOST, remove, short_name, writer_alive

_OPEN_FILES_ARE_HELD = sys.platform == "win32"
_counter = itertools.count(1)
_own: set[Path] = set()
_finished: list[Path] = []
_leaving = False
_lock = threading.RLock()  # a signal may come while it is held


def partial_path(final: Path) -> Path:
    """Return a new temporary name beside `final`, to be given to `discard` in the end.

    Raises:
        Cancelled: the process is about to leave.
    """
    path = final.with_name(
        short_name(final) + PARTIAL_ENDING.format(host=HOST, pid=os.getpid(), number=next(_counter))
    )
    with _lock:
        if _leaving:
            raise Cancelled("The run was cancelled.")
        _own.add(path)
    return path


def discard(path: Path) -> None:
    """Remove a temporary file and what GDAL may have put beside it; none need exist."""
    with _lock:
        _own.discard(path)
    try:
        beside = [p for p in path.parent.iterdir() if p.name.startswith(path.name)]
    except OSError:
        return
    for file in beside:
        remove(file)  # one still open, on Windows, is left: the next run for this output removes it


def finish(files: Sequence[tuple[Path, Path]]) -> None:
    """Give whole files their final names, all of them or none.

    Args:
        files: (temporary name, final name) of each.

    Raises:
        Cancelled: the process is about to leave.
        OSError: the system refuses.
    """
    with _lock:
        if _leaving:
            raise Cancelled("The run was cancelled.")
        done: list[tuple[Path, Path | None]] = []
        kept: list[Path] = []
        try:
            for path, final in files:
                folder = path.is_dir() or final.is_dir()  # which no name replaces in one step
                old = _second_name(final, alone=len(files) == 1 and not folder)
                kept += [old] if old is not None else []
                try:
                    os.replace(path, final)
                except OSError:
                    if old is not None and not os.path.lexists(final):
                        os.replace(old, final)
                    raise
                _own.discard(path)
                done.append((final, old))
        except OSError:
            for final, old in done:
                if old is not None:
                    os.replace(old, final)
                else:
                    _remove([final])
            raise
        finally:
            for old in kept:
                discard(old)
        _finished.extend(final for final, _ in done)


def _second_name(final: Path, alone: bool) -> Path | None:
    """Give what stands at a final name another name too, from which it can come back; None for nothing."""
    if alone or not os.path.lexists(final):  # one file is replaced in one step
        return None
    old = partial_path(final)
    try:
        os.link(final, old)
    except OSError:  # a file system without links
        os.replace(final, old)
    return old


def held(final: Path) -> bool:
    """Tell whether a file cannot be replaced now, since another program has it open or it is protected.

    Only Windows holds open files: there one that cannot be renamed, be it to its own name, is held.
    """
    if not _OPEN_FILES_ARE_HELD or not final.is_file():
        return False
    if not os.access(final, os.W_OK):
        return True
    try:
        os.replace(final, final)
    except OSError:
        return True
    return False


def begin_job() -> None:
    """Forget what earlier jobs of this process have finished."""
    with _lock:
        _finished.clear()


def discard_all(finished: bool = False) -> None:
    """Remove all temporary files, before the process ends without unwinding; none is finished after that.

    Args:
        finished: also remove the files that this job has already given their final name.
    """
    global _leaving  # noqa: PLW0603
    with _lock:
        _leaving = True
        paths = list(_own)
    for path in paths:
        discard(path)
    with _lock:
        _own.update(paths)  # a thread that goes on may make one again: the last call takes that too
    if finished:
        discard_finished()


def discard_finished() -> None:
    """Remove what this job has finished: it was cancelled in its last instant."""
    with _lock:
        done = list(_finished)
        _finished.clear()
    _remove(done)


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        remove(path)


def discard_stale(final: Path) -> None:
    """Remove what dead processes of this machine left for the same output."""
    ending = PARTIAL_ENDING.replace(".", r"\.").format(host=HOST, pid=r"(\d+)", number=r"\d+")
    pattern = re.compile(re.escape(short_name(final)) + ending)
    try:
        names = os.listdir(final.parent)
    except OSError:
        return
    for name in names:
        match = pattern.match(name)
        if match is None:
            continue
        path = final.with_name(match[0])
        with _lock:
            own = path in _own
        if not own and not writer_alive(int(match[1]), path):
            discard(path)
