"""How far an installation is: the phase, the bytes, and what goes into the log."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ..translation import tr

_WINDOW = 20.0  # seconds that the speed is a mean over
_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


@dataclass(frozen=True)
class InstallProgress:
    """How far it is. `total` is 0 where nobody knows."""

    phase: str
    done: int = 0  # bytes
    total: int = 0


@dataclass(frozen=True)
class Watcher:
    """Who is told of an installation, and asked whether it is to go on."""

    told: Callable[[InstallProgress], None] = lambda _: None
    log: Callable[[str], None] = lambda _: None
    is_cancelled: Callable[[], bool] = lambda: False


class Pace:
    """Says the time left from the bytes of the last seconds."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()

    def left(self, progress: InstallProgress, now: float | None = None) -> float | None:
        """Return the seconds left, None as long as nobody can know."""
        now = time.monotonic() if now is None else now
        if not progress.total or (self._points and progress.done < self._points[-1][1]):
            self._points.clear()
        self._points.append((now, progress.done))
        while now - self._points[0][0] > _WINDOW:
            self._points.popleft()
        began, first = self._points[0]
        if not progress.total or now - began < 1.0 or progress.done <= first:
            return None
        return (progress.total - progress.done) * (now - began) / (progress.done - first)


def bytes_text(number: float) -> str:
    """Return a number of bytes as people read it."""
    for unit, name in _UNITS:
        if number >= unit:
            return f"{number / unit:.{0 if number >= 10 * unit else 1}f} {name}"
    return tr("{} bytes").format(int(number))


def time_text(seconds: float | None) -> str:
    """Return a time left as people say it, "" where it is not known."""
    if seconds is None:
        return ""
    if seconds < 90:
        return tr("{} s left").format(max(1, round(seconds)))
    return tr("{} min left").format(round(seconds / 60))
