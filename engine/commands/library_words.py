"""What libraries say for themselves stays off standard error, where a command says one sentence."""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings


def hush_libraries() -> None:
    """Keep the words of GDAL, a Zarr reader that was interrupted, or a writer's thread off standard error.

    GDAL's errors reach Python's logging by way of rasterio, those of tasks that a Zarr reader left behind by
    way of asyncio; what fails a run is raised besides. Where no logger has a handler, logging prints them.
    """
    logging.getLogger().addHandler(logging.NullHandler())
    threading.excepthook = _unless_refused
    if not os.environ.get("MSR_DEBUG"):  # what dying objects complain of where no file could be opened
        sys.unraisablehook = _say_nothing
    warnings.filterwarnings("ignore", message=r"coroutine .* was never awaited", category=RuntimeWarning)


def _unless_refused(told: threading.ExceptHookArgs) -> None:
    """Tell of a thread's end, but not where the system refused to write: the command says that itself."""
    if not isinstance(told.exc_value, OSError):
        threading.__excepthook__(told)


def _say_nothing(_: object) -> None:
    """Nobody can do anything about it."""


def part_from_libraries() -> None:
    """Let what C libraries write to standard error go nowhere, such as libtiff's; Python's own words stay."""
    try:
        if sys.stderr.fileno() != 2:
            return
        own = os.dup(2)
        null = os.open(os.devnull, os.O_WRONLY)
    except (AttributeError, OSError, ValueError):  # closed, or not a file at all
        return
    os.dup2(null, 2)
    os.close(null)
    encoding, errors = sys.stderr.encoding, sys.stderr.errors
    sys.stderr = os.fdopen(own, "w", buffering=1, encoding=encoding, errors=errors)
