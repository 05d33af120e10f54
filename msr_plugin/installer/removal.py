"""Takes engines away: the one in use, those that were replaced, what a crash has left."""

from __future__ import annotations

import contextlib
import shutil

from ..folders import profile_folder
from ..translation import tr
from ..worker.installed_engine import drop_half_written, engines_folder, forget, installed_engine
from .downloads import downloads_folder
from .one_at_a_time import one_at_a_time
from .plan import bytes_below
from .problems import InstallProblem, refused_by_system
from .progress import InstallProgress, Watcher, bytes_text


def sweep() -> None:
    """Remove engines that are not in use: what a crash has left, and what was replaced."""
    drop_half_written()
    engine = installed_engine()
    for folder in engines_folder().glob("*"):
        if engine is None or folder.name != engine.folder:
            shutil.rmtree(folder, ignore_errors=True)


def sweep_alone() -> None:
    """As `sweep`, where no other process installs."""
    with contextlib.suppress(InstallProblem), one_at_a_time():
        sweep()


def remove(watcher: Watcher) -> int:
    """Remove the engine and what was downloaded for it; return the bytes that came free.

    Raises:
        InstallProblem: something is still in use, or another process installs.
    """
    with one_at_a_time():
        folders = [engines_folder(), downloads_folder()]
        watcher.told(InstallProgress(tr("Removing the engine")))
        before = sum(bytes_below(folder) for folder in folders)
        try:
            drop_half_written()
            forget()
        except OSError as error:
            raise refused_by_system(profile_folder(), error) from error
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        left = sum(bytes_below(folder) for folder in folders)
        if left:
            raise InstallProblem(
                tr("{} in {} could not be removed, as something uses it: restart QGIS and try again.").format(
                    bytes_text(left), engines_folder()
                )
            )
        return before
