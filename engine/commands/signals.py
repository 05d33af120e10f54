"""How a signal ends a command: by an exception that unwinds it, and by force where that takes too long."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable

from engine.files.atomic import discard_own

UNWIND_SECONDS = 3.0  # for a command to end by itself
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
_told = threading.Event()
_heard: list[int] = []  # numbers of the signals that asked the process to end


class Ended(KeyboardInterrupt):
    """A signal asks the process to end; `status` is the shell's for it."""

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(f"signal {number}")
        self.status = 128 + number


def heed_signals(discard: Callable[[], None] = discard_own) -> None:
    """Let Ctrl-C, SIGTERM and SIGHUP raise `Ended` in the main thread, each run's first one only.

    A signal that the parent has set to be ignored stays so (nohup, a shell's background job).

    Args:
        discard: removes temporary files, for a process that has not ended some seconds after the signal
            because the main thread, or one that it waits for, computes.
    """
    begun = threading.Event()

    def end(number: int, frame: object) -> None:
        _heard.append(number)
        if not begun.is_set():
            begun.set()
            sys.unraisablehook = _hush  # what the exception leaves half made may fail when it is freed
            raise Ended(number)

    heeded = False
    for name in _SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, end)
            heeded = True
    if heeded:
        _watch_for_slow_ends(discard)


def status_of_signal() -> int | None:
    """Return the shell's status for the signal that asked the process to end, None without one.

    A library in whose call the signal came may turn `Ended` into an error of its own.
    """
    return 128 + _heard[0] if _heard else None


def say(sentence: str) -> None:
    """Say once, on standard error, that the command was stopped."""
    if not _told.is_set():
        _told.set()
        with contextlib.suppress(OSError, ValueError):
            print(sentence, file=sys.stderr, flush=True)


def _hush(fault: object) -> None:
    """Hear of a fault in a destructor, and say nothing."""


def _watch_for_slow_ends(discard: Callable[[], None]) -> None:
    """Hear of signals in a thread of its own, whatever the main one computes."""
    hears, told = socket.socketpair()
    hears.setblocking(True)
    told.setblocking(False)
    signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)

    def watch() -> None:
        with told:  # which must live as long as the process
            while number := hears.recv(1):
                if number[0] in {getattr(signal, n, None) for n in _SIGNALS}:
                    break
        time.sleep(UNWIND_SECONDS)
        say("Stopped.")
        discard()
        os._exit(128 + number[0])

    threading.Thread(target=watch, name="signals", daemon=True).start()
