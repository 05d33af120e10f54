"""Paths longer than Windows takes: its calls fail then, and what they say blames a folder that is there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from engine.contract import PARTIAL_ENDING

LONGEST = 259  # signs of an absolute path, where long ones are not allowed
REMEDY = f"Windows takes {LONGEST}: choose a shorter folder or name, or allow long paths in Windows"
_ADDED = len(PARTIAL_ENDING.format(host="0" * 8, pid="0" * 6, number="000")) + len(".aux.xml")
_LIMITED = sys.platform == "win32"


def too_long(path: str | Path) -> int:
    """Return how many signs a path has, if that is more than this system takes, else 0."""
    length = len(os.path.abspath(path))
    return length if length > LONGEST and _LIMITED and not _are_allowed() else 0


def too_long_to_write(final: Path) -> int:
    """Return how many signs a file's path has while it is written, if that is too many, else 0."""
    return too_long(f"{final}{'_' * _ADDED}")


def _are_allowed() -> bool:
    """Return whether Windows lets this process use longer ones."""
    import ctypes

    try:
        return bool(ctypes.CDLL("ntdll").RtlAreLongPathsEnabled() & 0xFF)
    except (OSError, AttributeError):  # before Windows 10
        return False
