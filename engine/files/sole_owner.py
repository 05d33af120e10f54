"""A folder that one process at a time owns, of this machine or of others that share its disk."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import InputError
from engine.files.atomic import HOST, writer_alive

MARK = "owner.json"  # also how names of what is there for an instant begin
_BEAT_SECONDS = 10.0  # between two signs of life
_MISSED = 5  # of them, and a process elsewhere is taken for dead
_held: set[Path] = set()  # by this process
_lock = threading.Lock()


@contextmanager
def sole_owner(folder: Path) -> Iterator[None]:
    """Own a folder that is there, by a file in it that is touched now and then as long as it is owned.

    Of a process of this machine the system tells whether it runs; of one elsewhere its signs of life do.

    Raises:
        InputError: another process owns it.
        OSError: the system refuses.
    """
    mark = folder.absolute() / MARK
    with _lock:
        if mark in _held:
            raise _refusal(folder, os.getpid())
        _held.add(mark)
    own = json.dumps({"host": HOST, "pid": os.getpid(), "name": uuid.uuid4().hex}).encode()
    ended = threading.Event()
    try:
        _take(mark, own, folder)
        threading.Thread(target=_beat, args=(mark, ended), daemon=True).start()
        yield
    finally:
        ended.set()
        with contextlib.suppress(OSError):
            if mark.read_bytes() == own:
                mark.unlink()
        with _lock:
            _held.discard(mark)


def _take(mark: Path, own: bytes, folder: Path) -> None:
    while not _put(mark, own):
        try:
            there = mark.read_bytes()
        except FileNotFoundError:
            continue
        if (owner := _alive(mark, there)) is not None:
            raise _refusal(folder, owner)
        # Taken away in one step, so that of two processes that see a dead one's mark one gets it.
        aside = _aside(mark)
        try:
            os.rename(mark, aside)
        except FileNotFoundError:
            continue
        taken = aside.read_bytes()
        if taken == there:
            aside.unlink()
            continue
        os.replace(aside, mark)  # another process was faster: this is its mark
        raise _refusal(folder, _owner(taken)[1])


def _put(mark: Path, own: bytes) -> bool:
    """Write a mark as a whole; return whether there was none."""
    whole = _aside(mark)
    try:
        whole.write_bytes(own)
        os.link(whole, mark)
    except FileExistsError:
        return False
    except (OSError, NotImplementedError):
        if not whole.is_file() or whole.stat().st_size != len(own):
            raise
        with contextlib.suppress(FileExistsError), mark.open("xb") as file:  # a file system without links
            file.write(own)
            return True
        return False
    finally:
        whole.unlink(missing_ok=True)
    return True


def _alive(mark: Path, there: bytes) -> int | None:
    """Return the number of the process that owns a mark, None where it has ended."""
    host, pid = _owner(there)
    if host == HOST:
        return pid if writer_alive(pid, mark) else None
    if not host:
        return None
    wait = _MISSED * _BEAT_SECONDS
    try:
        before = mark.stat().st_mtime
        if _now(mark) - before > wait:
            return None
        ends = time.monotonic() + wait
        while time.monotonic() < ends:
            time.sleep(min(1.0, _BEAT_SECONDS))
            if mark.stat().st_mtime != before:
                return pid
    except FileNotFoundError:
        pass
    return None


def _now(mark: Path) -> float:
    """Return the time of the disk's own clock, which another machine's marks have too."""
    asked = _aside(mark)
    try:
        asked.touch()
        return asked.stat().st_mtime
    finally:
        asked.unlink(missing_ok=True)


def _owner(there: bytes) -> tuple[str, int]:
    """Return host and number of a mark's process, "" of a mark that is none."""
    try:
        told = json.loads(there)
        return str(told["host"]), int(told["pid"])
    except (ValueError, KeyError, TypeError):
        return "", 0


def _aside(mark: Path) -> Path:
    return mark.with_name(f"{MARK}.{uuid.uuid4().hex}")


def _beat(mark: Path, ended: threading.Event) -> None:
    while not ended.wait(_BEAT_SECONDS):
        with contextlib.suppress(OSError):
            os.utime(mark)


def _refusal(folder: Path, pid: int) -> InputError:
    return InputError(f"Another process ({pid}) writes into {folder}: let it end first.")
