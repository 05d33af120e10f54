"""A long task on a cluster's worker: it tells how far it is, and stops where nobody waits for it."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from engine.errors import Cancelled
from engine.feedback import Silent
from training.console.followed import FollowedWork, following

_TOLD_SECONDS = 60.0  # between two lines on how far a task is
_LOOK_SECONDS = 1.0  # between looks whether a place is free
_FREE_SECONDS = 30.0  # that a place is waited for: a worker that is cut off lets go of it
_ONE = threading.RLock()  # random numbers, threads of torch and who follows are the process's


class TaskFeedback(Silent):
    """Feedback of a task on a worker.

    Args:
        token: of its job.
        name: of the task, before what it tells.
    """

    def __init__(self, token: str, name: str) -> None:
        super().__init__()
        self._token, self._name, self._told = token, name, time.monotonic()

    def progress(
        self,
        fraction: float,
        phase: str,
        tiles_done: int = 0,
        tiles_total: int = 0,
        seconds_left: float | None = None,
        training: Mapping[str, Any] | None = None,
    ) -> None:
        """Tell now and then how far a training is."""
        if training is not None and time.monotonic() - self._told > _TOLD_SECONDS:
            self.say(f"step {tiles_done} of {tiles_total}")

    def say(self, words: str) -> None:
        """Tell a line to whoever waits for the job."""
        from engine.cluster.dask_workers import say

        self._told = time.monotonic()
        say(self._token, f"{self._name}: {words}")

    def check_cancelled(self) -> None:
        """Raise Cancelled where nobody waits for the job any more."""
        from engine.cluster.dask_workers import is_wanted

        if not is_wanted(self._token):
            raise Cancelled("Nobody waits for it.")


@contextmanager
def long_task(token: str, name: str) -> Iterator[TaskFeedback]:
    """Follow the work inside, one task of this process at a time."""
    with _ONE:
        told = TaskFeedback(token, name)
        told.say(f"begun by process {os.getpid()} on {socket.gethostname()}")
        with following(FollowedWork(told)):
            yield told


@contextmanager
def short_task() -> Iterator[None]:
    """Do the work inside, one task of this process at a time."""
    with _ONE:
        yield


@contextmanager
def held_soon(
    hold: Callable[[], AbstractContextManager[Any]], refused: type[Exception], feedback: Silent
) -> Iterator[None]:
    """Hold a place that a worker which is being lost may still hold for a while.

    Args:
        hold: gives what holds it.
        refused: what that raises where another process does.
        feedback: says when to stop waiting.

    Raises:
        Exception: `refused`, where it is not free in time.
    """
    begun = time.monotonic()
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(hold())
                break
            except refused:
                if time.monotonic() - begun > _FREE_SECONDS:
                    raise
            feedback.check_cancelled()
            time.sleep(_LOOK_SECONDS)
        yield
