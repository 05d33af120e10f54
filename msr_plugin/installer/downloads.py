"""A folder of files that are what the lock says, byte for byte."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from ..folders import profile_folder
from ..translation import tr
from .lock import LockedFile
from .problems import InstallCancelled, InstallProblem, refused_by_system
from .progress import InstallProgress, Watcher

_BLOCK = 1 << 20


class _TooLong(Exception):
    """More bytes came than the file has."""


class Source(Protocol):
    """Where files come from: the network, or a bundle."""

    online: bool

    def fetch(self, file: LockedFile, part: Path, got: Callable[[int], None], watcher: Watcher) -> str:
        """Write a file to `part`, going on where that ends; return the checksum that it must have."""
        ...


def downloads_folder() -> Path:
    """Return where downloads lie until the engine stands."""
    return profile_folder() / "downloads"


def fetch_all(
    files: Sequence[LockedFile], folder: Path, source: Source, watcher: Watcher
) -> dict[str, tuple[Path, str]]:
    """Have all of these files in a folder, those that lie there already included.

    Returns:
        Path and checksum of each, by its name.

    Raises:
        InstallProblem: one cannot be had, or is not what it should be; it is not kept then.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refused_by_system(folder, error) from error
    total = sum(file.expected for file in files)
    done = 0
    result = {}
    for file in files:
        phase = tr("Downloading {}") if source.online else tr("Copying {}")
        before = done

        def got(size: int, phase: str = phase.format(file.name), before: int = before) -> None:
            watcher.told(InstallProgress(phase, min(before + size, total), total))

        if watcher.is_cancelled():
            raise InstallCancelled
        got(0)
        result[file.name] = _one(file, folder, source, got, watcher)
        done += file.expected
    return result


def _one(
    file: LockedFile, folder: Path, source: Source, got: Callable[[int], None], watcher: Watcher
) -> tuple[Path, str]:
    path, part = folder / file.name, folder / f"{file.name}.part"

    def counted(size: int) -> None:
        if file.size and size > file.size:  # nothing else is to fill the disk in its place
            raise _TooLong
        got(size)

    try:
        if file.sha256 and path.is_file():
            if checksum_of(path, watcher) == file.sha256:
                return path, file.sha256
            path.unlink()
        elif path.is_file():  # what it must be is asked first; then nothing is left to get
            path.replace(part)
        try:
            checksum = source.fetch(file, part, counted, watcher)
            fits = checksum_of(part, watcher) == checksum
        except _TooLong:
            fits = False
        if not fits:
            size = part.stat().st_size
            part.unlink()
            raise InstallProblem(_no_match(file, size))
        part.replace(path)
    except OSError as error:
        raise refused_by_system(path, error) from error
    watcher.log(tr("{}: whole, checksum {}").format(file.name, checksum))
    return path, checksum


def checksum_of(path: Path, watcher: Watcher) -> str:
    """Return a file's SHA-256.

    Raises:
        InstallCancelled: asked to stop meanwhile.
        OSError: it cannot be read.
    """
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            sha.update(block)
            if watcher.is_cancelled():
                raise InstallCancelled
    return sha.hexdigest()


def _no_match(file: LockedFile, size: int) -> str:
    return tr(
        "{} ({} bytes) is not the file that this version of the plugin was made with: its checksum differs, "
        "so it was not used. Something on the way may have changed it; try again, or on another network."
    ).format(file.name, size)
