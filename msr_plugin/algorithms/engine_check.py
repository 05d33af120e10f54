"""The engine's own look at a request, in the dialog's check, where its worker is warm."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import qgis.utils
from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QThread

from ..worker.engine_process import WorkerError
from ..worker.engine_service import SERVICE
from .rasters import RasterProblem

SECONDS = 1.5  # that the window waits at most, for all checks
WITHIN = 10.0  # seconds in which: a batch checks all its rows at once
LEAST = 0.1  # not worth asking
_waits: deque[tuple[float, float]] = deque()  # when, and how long


def ask_engine(request: Mapping[str, Any], words: Callable[[str], str]) -> None:
    """Refuse what the engine refuses, and show what it warns of; no worker is started for that.

    Args:
        request: of the run, its outputs among it.
        words: puts the engine's sentences into those of the dialog.

    Raises:
        RasterProblem: the engine's sentence.
    """
    began = time.monotonic()
    while _waits and began - _waits[0][0] > WITHIN:
        _waits.popleft()
    left = SECONDS - sum(waited for _, waited in _waits)
    if left < LEAST or not in_window():
        return
    try:
        answer = SERVICE.ask("check", request, left)
    except WorkerError as error:
        if error.kind in ("input", "package"):
            raise RasterProblem(words(str(error))) from None
        return  # the run will tell
    finally:
        _waits.append((time.monotonic(), time.monotonic() - began))
    for text in (answer or {}).get("warnings") or []:
        show_warning(words(str(text)))


def in_window() -> bool:
    """Return whether somebody looks at a dialog: a script hears the same from the run itself."""
    application = QgsApplication.instance()
    on_main_thread = application is not None and QThread.currentThread() == application.thread()
    return on_main_thread and qgis.utils.iface is not None


def show_warning(text: str) -> None:
    """Show a warning in the main window's message bar; the run's log repeats it."""
    if qgis.utils.iface is not None:
        qgis.utils.iface.messageBar().pushWarning("MSR", text)
