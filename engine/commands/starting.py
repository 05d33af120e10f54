"""A command that fails while Python imports what it needs says so in a sentence too."""

from __future__ import annotations

import os
import sys
from types import TracebackType

from engine.commands import ending


def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Tell of an error that ends the process; for `sys.excepthook`, after which Python's status is 1."""
    if isinstance(error, Exception):
        ending.status_of(error, bool(os.environ.get("MSR_DEBUG")))
    else:
        sys.__excepthook__(kind, error, trace)
