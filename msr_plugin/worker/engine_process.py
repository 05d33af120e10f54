"""One engine worker: start, hello, run, cancel, terminate, kill. JSON lines; knows no algorithms."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import signal
import subprocess  # nosec B404: the engine is a program of its own; argument list, no shell
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from ..contract import IDLE_SECONDS, PROTOCOL
from ..system_refusals import not_started
from ..translation import tr

POLL_SECONDS = 0.2  # how often a waiting run looks for cancel and for a dead worker
ENDING_SECONDS = 2.0  # which a worker gets that obeys a cancel by ending, and has said so
ASKED_SECONDS = 0.5  # what a worker gets to obey a cancel
TERMINATED_SECONDS = 0.3  # what it then gets to end by itself, before it is killed
HELLO_SECONDS = 180.0  # a cold disk may need a minute to import torch
_TAIL_LINES = 200
_TERMINATE_IS_GENTLE = os.name != "nt"  # on Windows it kills at once, as nothing there is heard as a signal
_CRASHED = 0x80000000  # Windows: exit statuses from here on are those of crashes
_NO_MEMORY = (0xC0000017, 0xC000012D)  # Windows: STATUS_NO_MEMORY, STATUS_COMMITMENT_LIMIT

Message = dict[str, Any]
Listener = Callable[[Message], None]


class WorkerError(Exception):
    """A run failed. `str(error)` is one sentence for the user.

    `kind` is the worker's (input, package, failure, memory, cancelled, version, protocol), or
    start (it did not come up) or died (it ended in the middle of a run).
    """

    def __init__(self, kind: str, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.detail = detail
        self.pid: int | None = None  # of a worker that ended without tidying up
        self.before_start = False  # the worker was gone before it told anything of the run


class WorkerCancelled(WorkerError):
    """The user asked to stop, and it has stopped.

    `clean` says whether the worker lives on, `late` that it had finished the job all the same.
    """

    def __init__(self, clean: bool = True, pid: int | None = None, late: bool = False) -> None:
        super().__init__("cancelled", tr("Cancelled."))
        self.clean = clean
        self.late = late
        self.pid = pid


class EngineProcess:
    """One worker process. Several threads may call it; each run has its own queue of messages."""

    def __init__(
        self,
        python: Path,
        root: Path,
        version: str,
        environment: Mapping[str, str],
        arguments: list[str] | None = None,
        asked_seconds: float | None = None,
    ) -> None:
        """Start the worker.

        `arguments` stand in for the usual ones, of another worker or in tests; `asked_seconds` are what it
        gets to obey a cancel, where it has something to keep.

        Raises:
            WorkerError: (start) the program cannot be started.
        """
        self.version = version
        self._asked_seconds = asked_seconds
        self.hello: Message | None = None
        self._runs: dict[str, queue.Queue[Message | None]] = {}
        self._lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._greeting: queue.Queue[Message | None] = queue.Queue()
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._ended = threading.Event()  # stdout is at its end
        if arguments is None:
            arguments = ["-u", "-s", "-m", "engine", "worker"]
            arguments += ["--host-version", version, "--idle-seconds", str(IDLE_SECONDS)]
        try:
            self._process = subprocess.Popen(  # nosec B603: no shell; the user named this program
                [str(python), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=str(root),
                env=dict(environment),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except (OSError, ValueError) as error:
            raise WorkerError(
                "start",
                tr("The engine's Python, {}, could not start: {}.").format(python, not_started(error)),
            ) from error
        self._log = threading.Thread(target=self._read_log, name="msr engine log", daemon=True)
        self._log.start()
        threading.Thread(target=self._read_messages, name="msr engine messages", daemon=True).start()

    @property
    def pid(self) -> int:
        """The worker's own process id: what was started may be a launcher, as an environment's on Windows."""
        told = (self.hello or {}).get("pid")
        return told if isinstance(told, int) and told > 0 else self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs and can still be heard."""
        return self._process.poll() is None and not self._ended.is_set()

    @property
    def tail(self) -> str:
        """The last lines of its standard error, and what was no message on its standard output."""
        return "\n".join(list(self._tail))

    def wait_for_hello(
        self, is_cancelled: Callable[[], bool] = lambda: False, timeout: float = HELLO_SECONDS
    ) -> Message:
        """Wait for the first message and check that the versions agree; else stop the worker.

        Raises:
            WorkerError: (start) it ended or stayed silent; (version) another version.
            WorkerCancelled: cancelled meanwhile.
        """
        if self.hello is not None:
            return self.hello
        end = time.monotonic() + timeout
        while True:
            if is_cancelled():
                self.stop()
                raise WorkerCancelled(clean=False)
            try:
                message = self._greeting.get(timeout=POLL_SECONDS)
            except queue.Empty:
                if time.monotonic() < end and self._process.poll() is None:
                    continue
                message = None
            if message is None:
                silent = self._process.poll() is None and not self._ended.is_set()
                self.stop()
                raise WorkerError("start", self._why_no_hello(silent, timeout), self.tail)
            return self._check_hello(message)

    def run(
        self,
        job: str,
        request: Mapping[str, Any],
        listener: Listener,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> Message:
        """Run a job and return its result; `listener` gets progress and log messages on this thread.

        Raises:
            WorkerError: the job failed, or the worker died (kind died).
            WorkerCancelled: cancelled; the worker had to be stopped where `clean` is false.
        """
        identity = uuid.uuid4().hex
        messages: queue.Queue[Message | None] = queue.Queue()
        with self._lock:
            self._runs[identity] = messages
        try:
            if self._ended.is_set() or not self.send(
                {"type": "run", "id": identity, "job": job, "request": dict(request)}
            ):
                raise self._died(started=False)
            return self._follow(identity, messages, listener, is_cancelled)
        finally:
            with self._lock:
                self._runs.pop(identity, None)

    def send(self, message: Mapping[str, Any]) -> bool:
        """Write one message; return False where nobody reads any more."""
        line = (json.dumps(message) + "\n").encode("utf-8")
        stdin = self._process.stdin
        if stdin is None:
            return False
        try:
            with self._write_lock:
                stdin.write(line)
                stdin.flush()
        except (OSError, ValueError):
            return False
        return True

    def stop(self, asked: float = 0.0) -> None:
        """End the worker: ask (for `asked` seconds), then terminate, then kill; returns when it is gone."""
        if not _TERMINATE_IS_GENTLE:  # then only a message lets it tidy up
            asked = max(asked, TERMINATED_SECONDS)
        if asked and self._process.poll() is None and self.send({"type": "shutdown"}):
            self._wait(asked)
        if self._process.poll() is None:
            with contextlib.suppress(OSError):
                self._process.terminate()
            self._wait(TERMINATED_SECONDS)
        if self._process.poll() is None:
            with contextlib.suppress(OSError):
                self._process.kill()
            self._wait(10.0)
        if self.pid != self._process.pid and not self._ended.wait(1.0):  # the launcher alone has ended
            with contextlib.suppress(OSError):
                os.kill(self.pid, signal.SIGTERM)
            self._ended.wait(5.0)
        _close(self._process.stdin)

    def _follow(
        self,
        identity: str,
        messages: queue.Queue[Message | None],
        listener: Listener,
        is_cancelled: Callable[[], bool],
    ) -> Message:
        heard = False
        asked_at: float | None = None
        while True:
            try:
                message = messages.get(timeout=POLL_SECONDS if asked_at is None else POLL_SECONDS / 4)
            except queue.Empty:
                # A child of a dead worker may hold its stdout open: then no end of file comes.
                gone = self._process.poll() is not None and messages.empty()
                message = None if gone else {}
            if asked_at is None and is_cancelled():
                asked_at = time.monotonic()
                self.send({"type": "cancel", "id": identity})
            if message is None:
                if asked_at is not None:
                    raise WorkerCancelled(clean=False, pid=self.pid)
                raise self._died(started=heard)
            heard = heard or bool(message)
            kind = message.get("type")
            if asked_at is not None:
                if kind in ("result", "error"):
                    if not message.get("ends"):
                        raise WorkerCancelled(late=kind == "result")
                    if not self._ended.wait(ENDING_SECONDS):
                        self.stop()
                    raise WorkerCancelled(clean=False, pid=self.pid)
                if time.monotonic() - asked_at > (self._asked_seconds or ASKED_SECONDS):
                    self.stop()
                    raise WorkerCancelled(clean=False, pid=self.pid)
            elif kind == "result":
                result = message.get("result")
                return result if isinstance(result, dict) else {}
            elif kind == "error":
                raise WorkerError(
                    str(message.get("kind") or "failure"),
                    str(message.get("message") or tr("The engine failed without saying why.")),
                    str(message.get("detail") or ""),
                )
            elif kind in ("progress", "log"):
                listener(message)

    def _read_messages(self) -> None:
        """Hand each line of standard output to the run that it belongs to (reader thread)."""
        with contextlib.suppress(OSError, ValueError):
            for line in self._process.stdout or ():
                self._dispatch(line)
        _close(self._process.stdout)
        self._ended.set()
        self._greeting.put(None)
        with self._lock:
            for messages in self._runs.values():
                messages.put(None)

    def _dispatch(self, line: bytes) -> None:
        try:
            message = json.loads(line.decode("utf-8"))
        except ValueError:  # something printed: keep it for the error's detail
            self._tail.append(line.decode("utf-8", "replace").rstrip())
            return
        if not isinstance(message, dict):
            self._tail.append(str(message))
            return
        identity = message.get("id")
        if identity is None:
            self._greeting.put(message)
            return
        with self._lock:
            messages = self._runs.get(str(identity))
        if messages is not None:  # else: the late end of a cancelled run
            messages.put(message)

    def _read_log(self) -> None:
        """Keep the last lines of standard error; without a reader the worker would block (thread)."""
        with contextlib.suppress(OSError, ValueError):
            for line in self._process.stderr or ():
                self._tail.append(line.decode("utf-8", "replace").rstrip())
        _close(self._process.stderr)

    def _check_hello(self, message: Message) -> Message:
        if message.get("type") == "error":
            self.stop()
            kind = str(message.get("kind") or "start")
            raise WorkerError(
                kind, str(message.get("message") or tr("The engine refused to start.")), self.tail
            )
        version, protocol = message.get("version"), message.get("protocol")
        if message.get("type") != "hello" or version != self.version or protocol != PROTOCOL:
            self.stop()
            raise WorkerError(
                "version",
                tr(
                    "Plugin {} (protocol {}) and engine {} (protocol {}) do not fit: install the same "
                    "version of both."
                ).format(self.version, PROTOCOL, version, protocol),
                self.tail,
            )
        self.hello = message
        return message

    def _why_no_hello(self, silent: bool, timeout: float) -> str:
        if silent:
            return tr("The engine did not answer within {:.0f} seconds of its start.").format(timeout)
        self._wait_for_last_words()
        absent = re.findall(r"No module named '?([\w.]+)", self.tail)
        why = (
            tr("its Python lacks {}").format(absent[-1])
            if absent
            else tr("its Python or a package of it is broken")
        )
        return tr("The engine ended at its start (exit status {}): {}.").format(self._process.poll(), why)

    def _died(self, started: bool) -> WorkerError:
        self._wait_for_last_words()
        status = self._process.poll()
        if status in _NO_MEMORY:
            how = tr("ended because memory ran out")
        elif status is not None and status >= _CRASHED:
            how = tr("crashed (exit status {:#x}), perhaps because memory ran out").format(status)
        elif status is not None and status < 0:
            how = tr("was killed (signal {}), perhaps because memory ran out").format(-status)
        else:
            how = tr("stopped unexpectedly (exit status {})").format(status)
        error = WorkerError(
            "died",
            tr("The engine {}; try again, with a smaller tile size if it was memory.").format(how),
            self.tail,
        )
        error.pid = self.pid
        error.before_start = not started
        return error

    def _wait_for_last_words(self) -> None:
        """Wait until the worker has ended and all it wrote is read, or a child of it seems to go on."""
        self._wait(1.0)
        self._log.join(1.0)

    def _wait(self, seconds: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=seconds)


def _close(pipe: IO[bytes] | None) -> None:
    """Close a pipe that is read or written no more; else Python warns of it in QGIS' log."""
    if pipe is not None:
        with contextlib.suppress(OSError, ValueError):
            pipe.close()
