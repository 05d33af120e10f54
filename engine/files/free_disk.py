"""Whether a disk has room for what is about to be written, found out before the work."""

from __future__ import annotations

import shutil
from pathlib import Path

from engine.errors import InputError
from engine.files.sizes import size_text


def check_free(what: str, needed: float, folder: Path, less: str) -> None:
    """Refuse what the disk has no room for.

    Args:
        what: is written, as a sentence begins: "The output".
        needed: bytes.
        folder: to write in; where it is not there yet, the disk of the one it will be made in counts.
        less: what takes less room: "a smaller extent".

    Raises:
        InputError: tells the bytes needed and those that are free.
    """
    folder = folder.absolute()
    there = next((place for place in (folder, *folder.parents) if place.is_dir()), folder)
    free = shutil.disk_usage(there).free
    if needed > free:
        raise InputError(
            f"{what} needs about {size_text(needed)} in {folder}, but only {size_text(free)} are free: make "
            f"room there, or choose another folder or {less}."
        )
