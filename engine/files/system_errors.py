"""What the system's refusals mean, in words, with what to do about them."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.files.long_paths import REMEDY, too_long

_SHARING_VIOLATIONS = (32, 33)  # of Windows: another program has the file open
REFUSALS_FILE = Path(__file__).with_name("system_refusals.json")  # the plugin reads it for itself
_REASONS = {
    getattr(errno, name): reason
    for name, reason in json.loads(REFUSALS_FILE.read_text(encoding="utf-8")).items()
}

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_IN_RUST = re.compile(r"\(os error (\d+)\)")  # how a library written in Rust tells of the system


def is_no_memory(error: BaseException) -> bool:
    """Tell whether the system refused for lack of memory."""
    return isinstance(error, OSError) and error.errno == errno.ENOMEM


def is_disk_full(error: BaseException) -> bool:
    """Tell whether the system refused for lack of room on a disk."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def system_reason(error: OSError) -> str:
    """Return why the system refused, and what to do, as the end of a sentence."""
    if getattr(error, "winerror", None) in _SHARING_VIOLATIONS:
        return "another program has it open: close it there"
    name = error.filename2 or error.filename
    if isinstance(name, (str, os.PathLike)) and (signs := too_long(os.fsdecode(name))):
        return f"its path has {signs} signs, and {REMEDY}"
    return _REASONS.get(error.errno or 0, "the system refused it: check the disk and its rights")


def system_sentence(error: OSError) -> str:
    """Return the whole sentence, with the file's name where the system tells it."""
    reason = system_reason(error)
    name = error.filename2 or error.filename
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    return f"{name}: {reason}." if isinstance(name, str) and name else f"{reason[0].upper()}{reason[1:]}."


def system_error(error: BaseException) -> OSError | None:
    """Return what the system refused a library written in Rust, which tells of it in words; else None."""
    number = _IN_RUST.search(str(error)) if type(error).__module__.startswith("safetensors") else None
    return OSError(int(number[1]), os.strerror(int(number[1]))) if number else None


def writing_error(error: Exception, path: Path, final: Path) -> OSError | None:
    """Return an error of the system under the name of the file or folder that was being written.

    Args:
        error: whatever was raised meanwhile.
        path: what was written, under a temporary name.
        final: the name that it was to get.

    Returns:
        None where the error is not of the system, or of another file.
    """
    refused = system_error(error) or (error if isinstance(error, OSError) else None)
    if refused is None or not refused.errno:
        return None
    name = refused.filename
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    if name is None and refused.errno not in _NO_ROOM:
        return None
    if name is not None and not (isinstance(name, str) and Path(name).is_relative_to(path)):
        return None
    return OSError(refused.errno, os.strerror(refused.errno), str(final))


@contextmanager
def told_of(path: Path) -> Iterator[None]:
    """Let what the system refuses inside be told under the name of the one thing that is written there."""
    try:
        yield
    except Exception as error:
        told = writing_error(error, path, path)
        if told is None:
            raise
        raise told from error
