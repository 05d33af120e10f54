"""Keeps freed memory at hand, since the networks ask for the same large blocks again and again.

The GNU C library hands every large block back to the system when it is freed, and each new one
then costs a page fault for every 4 kB: a third of the time of a network that is thin where it is
fine. Other systems keep blocks by themselves; nothing is changed there.
"""

from __future__ import annotations

import ctypes
import platform
import sys

# From malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_SETTINGS = ((_MMAP_THRESHOLD, 2**30), (_TRIM_THRESHOLD, 2**31 - 1), (_ARENA_MAX, 1))


def keep_freed_memory() -> bool:
    """Let the process reuse large blocks that it has freed; returns whether anything was changed.

    To be called before threads are started: one arena serves them all, since only the first can
    hold large blocks.
    """
    library = _glibc()
    return library is not None and all([library.mallopt(name, value) for name, value in _SETTINGS])


def give_back_memory() -> None:
    """Hand all freed memory back to the system, as after a job."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
        return None
    return ctypes.CDLL(None)
