"""Refuses Zarr stores that lead out of their own folder, or hold what only code can read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.errors import InputError

_METADATA = (".zarray", ".zmetadata", "zarr.json")
_LARGEST = 2**26  # bytes of metadata
_CODECS = ("filters", "compressor", "codecs")  # keys; so in formats 2 and 3


def check_store(path: str | Path, called: str) -> None:
    """Refuse a store that holds links to elsewhere, what is no file, or pickled objects.

    Args:
        path: of the store's folder; that itself may be a link.
        called: how sentences call it.

    Raises:
        InputError: names what is in the way.
    """
    root = os.path.realpath(path)
    for entry in _entries(root):
        name = os.path.relpath(entry.path, root)
        if _is_link(entry):
            target = os.path.realpath(entry.path)
            if target != root and not target.startswith(os.path.join(root, "")):
                raise InputError(
                    f"{called} takes values from outside itself ({name} is a link to {target}), "
                    f"which is not followed: copy it with what its links lead to, for instance "
                    f"with cp -rL IN OUT."
                )
        elif not (entry.is_file() or entry.is_dir()):
            raise InputError(f"{called} holds {name}, which is a pipe or a device: remove it.")
        elif entry.name in _METADATA:
            _check_file(entry.path, called)


def is_store(path: str) -> bool:
    """Return whether a path is that of a Zarr store."""
    # A text that is too long for a name is none: `os.path` says no, `Path` raises.
    return os.path.isdir(path) and any(
        os.path.exists(os.path.join(path, n)) for n in ("zarr.json", ".zgroup", ".zmetadata", ".zarray")
    )


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    """Yield what lies in a folder and in those below, links not followed."""
    waiting = [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if not _is_link(entry) and entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    yield entry
        except OSError:
            continue  # the library says so


def _is_link(entry: os.DirEntry[str]) -> bool:
    junction = getattr(entry, "is_junction", None)  # of Windows; Python 3.12
    return entry.is_symlink() or bool(junction and junction())


def _check_file(path: str, called: str) -> None:
    try:
        with open(path, "rb") as stream:
            check_metadata(stream.read(_LARGEST), called)
    except OSError:
        return  # the library says so


def check_metadata(text: bytes, called: str) -> None:
    """Refuse an array's or a group's description that only code can follow.

    Args:
        text: JSON.
        called: how sentences call the store.

    Raises:
        InputError: names what is in the way.
    """
    try:
        held = json.loads(text)
    except (ValueError, RecursionError):
        return  # the library says so
    waiting: list[tuple[Any, bool]] = [(held, False)]
    while waiting:
        value, codec = waiting.pop()
        if isinstance(value, dict):
            names = [str(value.get(key, "")).rpartition(".")[2] for key in ("id", "name")]
            if codec and "pickle" in names:
                raise InputError(
                    f"{called} holds pickled Python objects, which could run code and are not read: write "
                    f"its values as numbers first."
                )
            if value.get("storage_transformers"):
                raise InputError(
                    f"{called} has its values changed by storage transformers, which are not known: write it "
                    f"without them first."
                )
            waiting += [(each, codec or key in _CODECS) for key, each in value.items()]
        elif isinstance(value, list):
            waiting += [(each, codec) for each in value]
