"""One installation at a time in a profile, whichever QGIS it runs in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from qgis.PyQt.QtCore import QLockFile

from ..folders import profile_folder
from ..translation import tr
from .problems import InstallProblem, refused_by_system

FILE = "install.lock"


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Hold the profile's lock; that of a process that is gone is taken over, one of any age else is not.

    Raises:
        InstallProblem: another process installs, or the profile cannot be written.
    """
    folder = profile_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refused_by_system(folder, error) from error
    lock = QLockFile(str(folder / FILE))
    lock.setStaleLockTime(0)
    if not lock.tryLock(0):
        raise InstallProblem(_why_not(lock))
    try:
        yield
    finally:
        lock.unlock()


def _why_not(lock: QLockFile) -> str:
    path = profile_folder() / FILE
    if lock.error() != QLockFile.LockError.LockFailedError:
        return tr("{} cannot be written: the profile's folder is read-only.").format(path)
    told = lock.getLockInfo()  # whether it could be read may come first, by the version of PyQt
    pid, host, program = (list(told) if told else [None, None, None])[-3:]
    try:
        minutes = int((time.time() - path.stat().st_mtime) / 60)
    except OSError:
        minutes = 0
    return tr(
        "Another QGIS is installing or removing the engine in this profile: {} (process {} on {}), since "
        "{} minutes. Wait until it has ended."
    ).format(program or "?", pid or "?", host or "?", minutes)
