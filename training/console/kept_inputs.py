"""Refuses results that would take the place of what a command reads."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from engine.errors import InputError
from engine.raster.opened_files import opened_files, same_file


def check_kept(results: Iterable[Path], inputs: Iterable[str | Path], folder: Path | None = None) -> None:
    """Refuse a result that is, or is a folder around, something that is read.

    Args:
        results: files and folders to write.
        inputs: files, folders, and names of rasters, which may refer to further files.
        folder: that relative names start from.

    Raises:
        InputError: names both.
    """
    there = [result for result in results if os.path.lexists(result)]
    if not there:
        return
    base = folder or Path.cwd()
    names = list(inputs)
    folders = [base / name for name in names if os.path.isdir(base / name)]
    files = {*opened_files(names, base), *folders, *(f for each in folders for f in each.glob("*"))}
    for result in there:
        for file in sorted(files):
            if any(same_file(result, place) for place in (file, *file.resolve().parents)):
                raise InputError(f"{result} would replace {file}, which is read: choose another place.")


def check_replaceable(folder: Path, mark: str, what: str) -> None:
    """Refuse a place where something else stands than what is written there, which would be lost.

    Args:
        folder: that is replaced as a whole.
        mark: a file by which one of its kind is known.
        what: its kind: "model package".

    Raises:
        InputError: something else is there.
    """
    if not os.path.lexists(folder) or (folder.is_dir() and (folder / mark).is_file()):
        return
    if folder.is_dir() and not any(folder.iterdir()):
        return
    raise InputError(f"{folder} is there already and is no {what}: choose another place.")
