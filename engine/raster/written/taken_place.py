"""Whether an output can take its place: what stands there, and the folder's rights."""

from __future__ import annotations

import os
from pathlib import Path

from engine.raster.cf.store_contents import is_store


def why_not_writable(path: Path) -> str:
    """Return why no output can be written at a path whose folder exists, "" where one can.

    A Zarr store replaces a store alone, a file nothing but a file: what else stands there is somebody's.
    """
    if os.path.lexists(path) and path.suffix.lower() == ".zarr":
        if path.is_symlink():
            return "it is a link"
        if not path.is_dir():
            return "it is a file, and a Zarr store is a folder"
        if not is_store(str(path)):
            return "it is a folder that holds no Zarr store"
    elif path.is_dir():
        return "it is a folder"
    elif path.exists() and not path.is_file():
        return "it is no ordinary file"
    return "" if os.access(path.parent, os.W_OK) else f"the folder {path.parent} is write-protected"
