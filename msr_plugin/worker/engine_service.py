"""The one warm worker that all runs in this QGIS share."""

from __future__ import annotations

import atexit
import queue
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..folders import ROOT
from ..metadata import plugin_version
from ..translation import tr
from .engine_process import POLL_SECONDS, EngineProcess, Listener, WorkerCancelled, WorkerError
from .environment import find_engine, scrubbed_environment


class EngineService:
    """Keeps a worker warm and starts another when it is gone, or when the setting names another.

    Runs of several threads wait for each other: two at once would only share the same cores
    and memory, and stopping one that hangs must not take the other with it.
    """

    def __init__(self, make: Callable[[Path], EngineProcess] | None = None) -> None:
        """`make` starts a worker with an interpreter; tests have their own."""
        self._make = make or start_worker
        self._turn = threading.Lock()
        self._owner: int | None = None  # the thread whose turn it is
        self._warming = False  # whether that thread only starts the worker
        self._process: EngineProcess | None = None
        self._python: Path | None = None

    def run(
        self,
        job: str,
        request: Mapping[str, Any],
        listener: Listener,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> dict[str, Any]:
        """Run a job in the warm worker, starting it where needed.

        Raises:
            WorkerError: as `EngineProcess.run`, and (start) where there is no engine.
            WorkerCancelled: cancelled, also while waiting for another run.
        """
        self._wait_turn(listener, is_cancelled)
        self._owner = threading.get_ident()
        try:
            process, fresh = self._ready(listener, is_cancelled)
            try:
                return process.run(job, request, listener, is_cancelled)
            except WorkerError as error:
                if fresh or not error.before_start:
                    raise
            # The warm worker was gone, for lack of work or killed, before the request came.
            process, _ = self._ready(listener, is_cancelled)
            return process.run(job, request, listener, is_cancelled)
        finally:
            self._owner = None
            self._turn.release()

    def ask(self, job: str, request: Mapping[str, Any], seconds: float) -> dict[str, Any] | None:
        """Return what the warm worker answers to a short job within `seconds`.

        None where no worker is warm, or it is busy, slower or gone: none is started, and the calling
        thread waits no longer. A job that is late is cancelled.

        Raises:
            WorkerError: the worker refused it.
        """
        began = time.monotonic()
        if not self._turn.acquire(timeout=seconds if self._warming else 0.0):
            return None
        process = self._process
        warm = process is not None and process.hello is not None and process.alive
        if process is None or not warm or self._python != find_engine().python:
            self._turn.release()
            return None
        answers: queue.Queue[dict[str, Any] | WorkerError] = queue.Queue()
        late = threading.Event()

        def work() -> None:
            self._owner = threading.get_ident()
            answer: dict[str, Any] | WorkerError = WorkerError("failure", tr("The engine gave no answer."))
            try:
                answer = process.run(job, request, lambda _: None, late.is_set)
            except WorkerError as error:
                answer = error
            finally:
                self._owner = None
                self._turn.release()
                answers.put(answer)

        try:
            threading.Thread(target=work, name="msr engine check", daemon=True).start()
        except RuntimeError:  # the system gives no more threads
            self._turn.release()
            return None
        try:
            answer = answers.get(timeout=max(0.0, began + seconds - time.monotonic()))
        except queue.Empty:
            late.set()
            return None
        if isinstance(answer, WorkerError):
            raise answer
        return answer

    def warm_up(self) -> None:
        """Start a worker, where there is an engine and none is warm, without waiting for it.

        What it needs for a check is imported then, too. If that fails, the next run tells why.
        """
        engine = find_engine()
        warm = self.pid is not None and self._python == engine.python
        if warm or engine.problem or not self._turn.acquire(blocking=False):
            return
        self._warming = True

        def work() -> None:
            self._owner = threading.get_ident()
            try:
                process, _ = self._ready(lambda _: None, lambda: False)
                process.run("models", {}, lambda _: None)
            except WorkerError:
                pass
            finally:
                self._done_warming()

        try:
            threading.Thread(target=work, name="msr engine start", daemon=True).start()
        except RuntimeError:  # the system gives no more threads
            self._done_warming()

    def _done_warming(self) -> None:
        self._owner, self._warming = None, False
        self._turn.release()

    @property
    def pid(self) -> int | None:
        """The warm worker's process id, if there is one."""
        process = self._process
        return process.pid if process is not None and process.alive else None

    def stop(self) -> None:
        """End the worker, whatever it does; the next run starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.stop(asked=0.5)

    def release(self) -> bool:
        """End a worker that has no work, so that its files can be removed; return False where it has."""
        if not self._turn.acquire(blocking=False):
            return False
        try:
            self.stop()
        finally:
            self._turn.release()
        return True

    def _wait_turn(self, listener: Listener, is_cancelled: Callable[[], bool]) -> None:
        if self._owner == threading.get_ident():  # an event of a window came in while this thread waits
            raise WorkerError("failure", tr("Another run is still under way: wait until it has ended."))
        if self._turn.acquire(blocking=False):
            return
        phase = tr("Starting the engine") if self._warming else tr("Waiting for another run to end")
        listener({"type": "progress", "fraction": 0.0, "phase": phase})
        while not self._turn.acquire(timeout=POLL_SECONDS):
            if is_cancelled():
                raise WorkerCancelled()

    def _ready(self, listener: Listener, is_cancelled: Callable[[], bool]) -> tuple[EngineProcess, bool]:
        """Return a worker that stands ready, and whether it is a new one."""
        engine = find_engine()
        process = self._process
        if process is not None and process.alive and self._python == engine.python:
            return process, False
        if engine.problem:
            raise WorkerError("start", engine.problem)
        self.stop()
        listener({"type": "progress", "fraction": 0.0, "phase": tr("Starting the engine")})
        process = self._make(engine.python)
        self._process, self._python = process, engine.python  # so that stop() reaches it already
        process.wait_for_hello(is_cancelled)
        return process, True


def start_worker(python: Path) -> EngineProcess:
    """Start the engine that lies beside this plugin with the given interpreter."""
    return EngineProcess(python, ROOT, plugin_version(), scrubbed_environment())


SERVICE = EngineService()
atexit.register(SERVICE.stop)
