"""The engine as a child process: JSON lines in, JSON lines out, jobs one after another.

Messages in: run (id, job, request), cancel (id), shutdown. Out: hello, progress, log, result,
error (kind, message, detail). The main thread reads, so that it hears a cancel or the parent's
end whatever the job's thread computes; a third thread watches the clock. A run that comes while
another is active is refused (kind protocol). A job that does not heed a cancel within a moment
is left by ending the process, temporary files first. `protocol.schema.json` describes every message.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import queue
import signal
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from engine.commands.explain import exit_status, explain
from engine.commands.jobs import Job, State, finite, run_job
from engine.compute.allocator import give_back_memory
from engine.contract import IDLE_SECONDS, PROTOCOL
from engine.errors import Cancelled
from engine.files.atomic import discard_own
from engine.files.partial_files import discard_all
from engine.raster.cloud.told_address import redacted
from engine.version import VERSION

SCHEMA_FILE = Path(__file__).with_name("protocol.schema.json")
GRACE_SECONDS = 0.35  # for a job to heed a cancel; then the process ends
PROGRESS_SECONDS = 0.1  # between two messages of the same phase
LONGEST_LINE = 16 * 2**20
LONGEST_ID = 1000
_REPORTED = ("torch", "rasterio", "pyproj", "numpy", "odc-geo", "safetensors")


class Channel:
    """The two pipes to the parent, out of the reach of whatever else prints or reads.

    File descriptor 1 becomes standard error, also for C libraries; 0 becomes the null device.
    """

    def __init__(self) -> None:
        self._in = os.dup(0)
        self._out = os.dup(1)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        sys.stdout.flush()
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        self._lock = threading.Lock()
        self._pending = b""

    def send(self, message: dict[str, Any]) -> None:
        """Write one message; a parent that does not read any more ends this process."""
        line = (json.dumps(finite(message), ensure_ascii=False) + "\n").encode("utf-8", "replace")
        with self._lock:
            try:
                while line:
                    line = line[os.write(self._out, line) :]
            except OSError:
                leave(1)

    def lines(self) -> Any:
        """Yield each line as bytes until the parent closes the pipe; None for one that is too long."""
        skipping = False
        while chunk := os.read(self._in, 2**16):
            *whole, self._pending = (self._pending + chunk).split(b"\n")
            for line in whole:
                if not skipping:
                    yield line
                skipping = False
            if len(self._pending) > LONGEST_LINE:
                self._pending = b""
                if not skipping:
                    yield None
                skipping = True


@dataclass
class RunningJob:
    """One job asked for, and the feedback it is given."""

    id: str
    job: str
    request: Any
    channel: Channel
    cancelled: threading.Event = field(default_factory=threading.Event)
    cancelled_at: float = 0.0
    _last: tuple[float, str] = (0.0, "")

    def progress(
        self,
        fraction: float,
        phase: str,
        tiles_done: int = 0,
        tiles_total: int = 0,
        seconds_left: float | None = None,
        training: Mapping[str, Any] | None = None,
    ) -> None:
        """Report progress, not more often than a person can read; each validation of a training, though."""
        now = time.monotonic()
        last, before = self._last
        validated = training is not None and training.get("validation")
        if phase == before and fraction < 1 and not validated and now - last < PROGRESS_SECONDS:
            return
        self._last = (now, phase)
        message: dict[str, Any] = {
            "type": "progress",
            "id": self.id,
            "fraction": min(1.0, max(0.0, fraction)),
            "phase": phase,
            "tiles_done": tiles_done,
            "tiles_total": tiles_total,
            "seconds_left": seconds_left,
        }
        self.channel.send(message if training is None else {**message, "training": dict(training)})

    def log(self, message: str, level: str = "info") -> None:
        """Pass on one line."""
        self.channel.send({"type": "log", "id": self.id, "level": level, "message": redacted(message)})

    def check_cancelled(self) -> None:
        """Raise `Cancelled` when the parent has asked for it."""
        if self.cancelled.is_set():
            raise Cancelled("The run was cancelled.")

    def cancel(self) -> None:
        """Ask the job to stop."""
        if not self.cancelled.is_set():
            self.cancelled_at = time.monotonic()
            self.cancelled.set()

    def left(self) -> None:
        """End the run as cancelled, and say that the process ends with it."""
        body = {"kind": "cancelled", "message": "The run was cancelled.", "detail": "", "ends": True}
        self.channel.send({"type": "error", "id": self.id, **body})


class Worker:
    """Takes messages, runs one job at a time, and knows when to leave.

    Args:
        channel: to the parent.
        idle_seconds: without a run, after which it ends.
        jobs: that it serves; None: the engine's own.
        grace: job → seconds to heed a cancel, of those that have something to keep.
    """

    def __init__(
        self,
        channel: Channel,
        idle_seconds: float,
        jobs: Mapping[str, Job] | None = None,
        grace: Mapping[str, float] | None = None,
    ) -> None:
        self.channel = channel
        self.idle_seconds = idle_seconds
        self.jobs, self.grace = jobs, dict(grace or {})
        self.parent = os.getppid()
        self.active: RunningJob | None = None
        self.idle_since = time.monotonic()
        self.lock = threading.Lock()
        self.runs: queue.Queue[RunningJob] = queue.Queue()

    def serve(self) -> NoReturn:
        """Read messages until the parent closes the pipe."""
        threading.Thread(target=self._work, name="jobs", daemon=True).start()
        threading.Thread(target=self._watch, name="watch", daemon=True).start()
        for line in self.channel.lines():
            if line is None:
                self._refuse(None, f"A line is longer than {LONGEST_LINE} bytes.")
            elif line.strip():
                self._take(line)
        leave(0)

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line.decode("utf-8"))
        except (ValueError, RecursionError):
            self._refuse(None, "A line is not JSON.")
            return
        if not isinstance(message, dict):
            self._refuse(None, "A message is not an object.")
            return
        kind, identity = message.get("type"), message.get("id")
        identity = identity if isinstance(identity, str) and len(identity) <= LONGEST_ID else None
        if kind == "shutdown":
            leave(0)
        elif kind not in ("run", "cancel"):
            self._refuse(identity, f"There is no message of type {str(kind)[:60]}.")
        elif not identity:
            self._refuse(None, f"The message {kind} lacks an id.")
        elif kind == "cancel":
            with self.lock:
                if self.active is not None and self.active.id == identity:
                    self.active.cancel()
        else:
            self._start(
                RunningJob(identity, str(message.get("job")), message.get("request") or {}, self.channel)
            )

    def _start(self, run: RunningJob) -> None:
        with self.lock:
            busy, self.active = self.active, self.active or run
        if busy is not None:
            self._refuse(run.id, f"The worker is busy with the run {busy.id}.")
            return
        run.progress(0.0, "Starting")
        self.runs.put(run)

    def _refuse(self, identity: Any, message: str) -> None:
        body = {"kind": "protocol", "message": message, "detail": ""}
        self.channel.send({"type": "error", "id": identity, **body})

    def _work(self) -> None:
        """Run the jobs (a thread of its own, the same for all: torch keeps a pool for each)."""
        state = State()
        while True:
            run = self.runs.get()
            answer = self._answer(run, state)
            with self.lock:  # before the answer: the parent may send the next run at once
                self.active = None
                self.idle_since = time.monotonic()
            self.channel.send({"id": run.id, **answer})
            give_back_memory()

    def _answer(self, run: RunningJob, state: State) -> dict[str, Any]:
        try:
            return {"type": "result", "result": run_job(run.job, run.request, run, state, self.jobs)}
        except BaseException as error:  # also SystemExit of a library: the worker goes on
            return {"type": "error", **explain(error)}

    def _watch(self) -> None:
        """Leave when the parent is gone, a cancel is not heeded, or nothing was asked for long."""
        while True:
            time.sleep(0.05)
            if os.getppid() != self.parent:  # another process may hold the pipe open
                leave(0)
            now = time.monotonic()
            with self.lock:
                run = self.active
                if run is None and now - self.idle_since > self.idle_seconds:
                    leave(0)
                if run is None or not run.cancelled.is_set():
                    continue
                if now - run.cancelled_at > self.grace.get(run.job, GRACE_SECONDS):
                    # Holding the lock, so that the job's own answer cannot come first.
                    discard_all(finished=True)
                    run.left()
                    leave(0)


def leave(status: int) -> NoReturn:
    """End at once, whatever other threads compute; leave no temporary file."""
    discard_all()
    discard_own()
    os._exit(status)


def hello() -> dict[str, Any]:
    """Return the first message: versions and devices."""
    versions: dict[str, str | None] = {}
    for name in _REPORTED:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    try:
        from engine.compute.devices import list_devices

        devices = list_devices()
    except Exception:  # a broken torch raises anything; `doctor` says what is wrong, and a run will, too
        devices = []
    return {
        "type": "hello",
        "protocol": PROTOCOL,
        "version": VERSION,
        "pid": os.getpid(),
        "python": platform.python_version(),
        "versions": versions,
        "devices": devices,
    }


def main(
    host_version: str | None = None,
    idle_seconds: float = IDLE_SECONDS,
    jobs: Mapping[str, Job] | None = None,
    grace: Mapping[str, float] | None = None,
) -> int:
    """Serve a parent over standard input and output; returns only when it refuses the parent.

    `jobs` and `grace`: see `Worker`.
    """
    channel = Channel()
    if host_version is not None and host_version != VERSION:
        sentence = (
            f"The plugin is version {host_version}, but the engine is version {VERSION}: install the same "
            "version of both."
        )
        channel.send({"type": "error", "id": None, "kind": "version", "message": sentence, "detail": ""})
        return exit_status("version")
    # Ctrl-C in the terminal that started the parent is the parent's business.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, frame: leave(128 + number))
    worker = Worker(channel, idle_seconds, jobs, grace)
    channel.send(hello())
    worker.serve()
