"""What the system's refusals mean, from the engine's list: `engine/files/system_refusals.json`."""

from __future__ import annotations

import errno
import json

from .folders import ROOT
from .translation import tr

_SHARING_VIOLATIONS = (32, 33)  # of Windows: another program has the file open
_FILE = ROOT / "engine" / "files" / "system_refusals.json"
_REASONS = {
    getattr(errno, name): reason for name, reason in json.loads(_FILE.read_text(encoding="utf-8")).items()
}


def system_reason(error: OSError) -> str:
    """Return why the system refused, and what to do, as the end of a sentence."""
    if getattr(error, "winerror", None) in _SHARING_VIOLATIONS:
        return tr("another program has it open: close it there")
    reason = _REASONS.get(error.errno or 0)
    return tr(reason) if reason else tr("the system refused it: check the disk and its rights")


def not_started(error: Exception) -> str:
    """Return why a program was not started: the system refused it, or its name is none."""
    return system_reason(error) if isinstance(error, OSError) else tr("its name cannot be that of a program")
