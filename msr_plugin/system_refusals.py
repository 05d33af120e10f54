"""What the system's refusals mean, in words, with what to do about them; the engine has its own list."""

from __future__ import annotations

import errno

_SHARING_VIOLATIONS = (32, 33)  # of Windows: another program has the file open
_REASONS = {
    errno.ENOSPC: "the disk is full: make room there, or choose another folder",
    errno.EDQUOT: "your share of the disk is used up: make room there, or choose another folder",
    errno.EACCES: "you have no permission for it: change its rights, or choose another place",
    errno.EPERM: "you have no permission for it: change its rights, or choose another place",
    errno.EROFS: "it lies on a disk that can only be read: choose another folder",
    errno.EMFILE: "too many files are open in QGIS: close some layers",
    errno.ENFILE: "too many files are open on this machine: close other programs",
    errno.ENOENT: "there is no such file or folder: check the name",
    errno.ENOTDIR: "a part of its path is a file, no folder: check the name",
    errno.EISDIR: "it is a folder, and a file is wanted: check the name",
    errno.ENAMETOOLONG: "the name is too long for this system: choose a shorter one",
    errno.ELOOP: "its links lead round in a circle: mend them",
    errno.ETXTBSY: "another program is using it: close that program",
    errno.EBUSY: "another program is using it: close that program",
    errno.EIO: "the disk fails to read or write it: check the disk",
    errno.ENOMEM: "memory ran out: close other layers or programs",
    errno.EAGAIN: "the system can start no more programs: close others",
    errno.ENOEXEC: "it is no program for this system: choose the engine's Python",
}


def system_reason(error: OSError) -> str:
    """Return why the system refused, and what to do, as the end of a sentence."""
    if getattr(error, "winerror", None) in _SHARING_VIOLATIONS:
        return "another program has it open: close it there"
    return _REASONS.get(error.errno or 0, "the system refused it: check the disk and its rights")


def not_started(error: Exception) -> str:
    """Return why a program was not started: the system refused it, or its name is none."""
    return system_reason(error) if isinstance(error, OSError) else "its name cannot be that of a program"
