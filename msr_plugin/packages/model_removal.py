"""Takes a model out of the profile: its folder is hidden in one step, then removed."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

from ..system_refusals import system_reason
from ..translation import tr
from .cards import CARD_FILE


class RemovalError(Exception):
    """The model cannot be removed; `str(error)` is one sentence."""


def removable(models: Path) -> list[str]:
    """Return the ids of what is installed below a folder, damaged or not."""
    try:
        folders = sorted(models.iterdir())
    except OSError:
        return []
    return [f.name for f in folders if not f.name.startswith(".") and (f.is_symlink() or f.is_dir())]


def remove(id: str, models: Path) -> Path:
    """Remove the package of an id; return where it stood.

    A link is removed, not what it leads to.

    Raises:
        RemovalError: it is not installed there, is no package, or cannot be removed.
    """
    folder = models / id
    if id not in removable(models):
        there = ", ".join(removable(models)) or tr("none")
        raise RemovalError(
            tr("The model {} is not installed in this profile (there are: {}); what MSR ships stays.").format(
                id, there
            )
        )
    try:
        if folder.is_symlink():
            folder.unlink()
            return folder
        if not (folder / CARD_FILE).is_file() and any(folder.iterdir()):
            raise RemovalError(tr("{} is no model package, and stays.").format(folder))
        gone = models / f".{id}.{uuid.uuid4().hex}.old"
        os.replace(folder, gone)
        shutil.rmtree(gone, ignore_errors=True)
    except OSError as error:
        raise RemovalError(tr("{} cannot be removed: {}.").format(folder, system_reason(error))) from error
    return folder
