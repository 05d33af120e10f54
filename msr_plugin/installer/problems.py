"""How an installation fails: a sentence for the user, without anybody's password in it."""

from __future__ import annotations

import re

from ..system_refusals import system_reason
from ..translation import tr

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
_KEYS = re.compile(r"(?i)\b((?:proxy-)?authorization|cookie)(\s*[:=]\s*)[^\r\n]+")


class InstallProblem(Exception):
    """It cannot go on. `str(problem)` says why and what to do."""


class InstallCancelled(InstallProblem):
    """The user asked to stop, and it has stopped."""

    def __init__(self) -> None:
        super().__init__(tr("Cancelled. What was downloaded is kept: the next try goes on from there."))


def refused_by_system(what: object, error: OSError) -> InstallProblem:
    """Return the problem that the system made with a file or folder."""
    return InstallProblem(f"{what}: {system_reason(error)}.")


def scrubbed(text: str) -> str:
    """Return a text without names and passwords in addresses and headers."""
    return _KEYS.sub(r"\1\2…", _CREDENTIALS.sub("…@", text))
