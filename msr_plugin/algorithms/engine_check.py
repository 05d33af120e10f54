"""The engine's own look at a request, in the dialog's check, where its worker is warm."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..appearance.units import readable_sentence
from ..appearance.window import clear_warnings, in_window, show_warnings
from ..worker.engine_process import WorkerError
from ..worker.engine_service import SERVICE
from .rasters import RasterProblem

SECONDS = 1.5  # that the window waits at most, for all checks
WITHIN = 10.0  # seconds in which: a batch checks all its rows at once
LEAST = 0.1  # not worth asking
_waits: deque[tuple[float, float]] = deque()  # when, and how long


def ask_engine(request: Mapping[str, Any], words: Callable[[str], str], doubts: Iterable[str] = ()) -> None:
    """Refuse what the engine refuses, and show what it warns of; no worker is started for that.

    Args:
        request: of the run, its outputs among it.
        words: puts the engine's sentences into those of the dialog.
        doubts: further warnings.

    Raises:
        RasterProblem: the engine's sentence.
    """
    if not in_window():
        return
    clear_warnings()
    show_warnings([*doubts, *_warnings_of_engine(request, words)])


def _warnings_of_engine(request: Mapping[str, Any], words: Callable[[str], str]) -> list[str]:
    began = time.monotonic()
    while _waits and began - _waits[0][0] > WITHIN:
        _waits.popleft()
    left = SECONDS - sum(waited for _, waited in _waits)
    if left < LEAST:
        return []
    try:
        answer = SERVICE.ask("check", request, left)
    except WorkerError as error:
        if error.kind in ("input", "package"):
            raise RasterProblem(readable_sentence(words(str(error)))) from None
        return []  # the run will tell
    finally:
        _waits.append((time.monotonic(), time.monotonic() - began))
    return [readable_sentence(words(str(text))) for text in (answer or {}).get("warnings") or []]
