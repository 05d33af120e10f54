"""Small JSON files that spare repeating a measurement; losing one does no harm."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from engine.files.atomic import write_text


def cache_folder() -> Path:
    """Return the folder: $MSR_CACHE, else the platform's place for caches.

    Raises:
        RuntimeError: there is no home folder.
    """
    if os.environ.get("MSR_CACHE"):
        return Path(os.environ["MSR_CACHE"]).expanduser().absolute()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    if not Path(base).is_absolute():  # it would be the caller's folder
        raise RuntimeError("There is no home folder.")
    return Path(base) / "msr"


def read_cache(name: str) -> dict[str, Any]:
    """Return what was kept under a name; nothing when the file is absent or damaged."""
    try:
        content = json.loads(_file(name).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, RuntimeError):  # RuntimeError: there is no home folder
        return {}
    return content if isinstance(content, dict) else {}


def write_cache(name: str, content: dict[str, Any]) -> None:
    """Keep plain data under a name, in one step; without a place to write, keep nothing."""
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        write_text(_file(name), json.dumps(content, indent=1))


def _file(name: str) -> Path:
    return cache_folder() / f"{name}.json"
