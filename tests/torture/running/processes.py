"""Commands in processes: forked from a nursery or started from nothing, limited, and killed where asked."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.torture.case import Case, Outcome
from tests.torture.running.surroundings import ROOT, Folders, environment

_NOT_TOLD = ("Warning: ", "Note: ")  # how lines on standard error begin that are no errors


class Nursery:
    """Forks commands, one at a time; started when it is needed, and again when it is gone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "nursery"
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()

    def _begin(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        temporary = self._folder / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        with (self._folder / "stderr").open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-u", "-s", "-m", "tests.torture.running.nursery"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=ROOT,
                env=environment(temporary, temporary),
            )
        self._answers = queue.Queue()
        threading.Thread(target=self._read, args=(self._process, self._answers), daemon=True).start()
        self._answers.get(timeout=180)
        return self._process

    @staticmethod
    def _read(process: subprocess.Popen[bytes], answers: queue.Queue[dict[str, Any]]) -> None:
        assert process.stdout
        for line in process.stdout:
            answers.put(json.loads(line))

    def fork(self, wanted: dict[str, Any]) -> int:
        """Start a command; return its process id."""
        process = self._begin()
        assert process.stdin
        process.stdin.write(json.dumps(wanted).encode() + b"\n")
        process.stdin.flush()
        return int(self._answers.get(timeout=60)["pid"])

    def ended(self, seconds: float) -> int | None:
        """Return the exit status once the command has ended, None if it has not by then."""
        try:
            return int(self._answers.get(timeout=max(seconds, 0.005))["status"])
        except queue.Empty:
            return None

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Fresh:
    """A command in a process from nothing, with the same calls as the nursery."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def fork(self, wanted: dict[str, Any]) -> int:
        """Start a command; return its process id."""
        opened, shut = [], []
        for number, (name, mode) in enumerate((("stdin", "rb"), ("stdout", "ab"), ("stderr", "ab"))):
            path = wanted.get(name)
            if path == "closed":
                shut.append(f"{number}>&-" if number else "0<&-")
            opened.append(open(os.devnull if path in (None, "closed") else path, mode))  # noqa: SIM115
        command = [sys.executable, "-s", "-m", wanted["module"], *wanted["argv"]]
        if shut:
            command = ["/bin/sh", "-c", f'exec "$@" {" ".join(shut)}', "sh", *command]
        self._process = subprocess.Popen(
            command,
            stdin=opened[0],
            stdout=opened[1],
            stderr=opened[2],
            cwd=wanted["cwd"],
            env=wanted["environment"],
            start_new_session=True,
        )
        for file in opened:
            file.close()
        return self._process.pid

    def ended(self, seconds: float) -> int | None:
        """Return the exit status once the command has ended, None if it has not by then."""
        assert self._process
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(max(seconds, 0.005))
        return None


def wanted_of(case: Case, folders: Folders) -> dict[str, Any]:
    """Return what a nursery is asked for a case."""
    return {
        "module": case.module,
        "argv": case.argv,
        "cwd": case.cwd or str(ROOT),
        "environment": environment(folders.temporary, folders.cache, case.environment),
        "stdin": case.streams.get("stdin"),
        "stdout": case.streams.get("stdout") or str(folders.case / "stdout"),
        "stderr": case.streams.get("stderr") or str(folders.case / "stderr"),
        "limits": asdict(case.limits) if case.limits else None,
    }


def run_command(case: Case, folders: Folders, start: Nursery | Fresh) -> Outcome:
    """Run a case's command, send its signal, and wait for the end."""
    for name in ("stdout", "stderr"):
        (folders.case / name).write_bytes(b"")
    wanted = wanted_of(case, folders)
    begun = time.monotonic()
    pid = start.fork(wanted)
    status, killed = None, False
    if case.kill is not None:
        status = start.ended(case.kill.after)
        if status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, case.kill.signal)
                killed = True
    if status is None:
        status = start.ended(case.seconds)
    if status is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        start.ended(30)
        seconds = time.monotonic() - begun
        return Outcome("hung", None, detail=_text(folders, "stderr")[-3000:], seconds=seconds, killed=killed)
    told = [line for line in _text(folders, "stderr").splitlines() if line.strip()]
    told = [line for line in told if not line.startswith(_NOT_TOLD)]
    outcome = Outcome("result" if status == 0 else "error", status, "\n".join(told), killed=killed)
    outcome.seconds = time.monotonic() - begun
    if status < 0:
        outcome.ended = "died"
    lines = _text(folders, "stdout").strip().splitlines()
    if status == 0 and lines and lines[-1].startswith("{"):
        with contextlib.suppress(ValueError):
            outcome.result = json.loads(lines[-1])
    return outcome


def run_killed_worker(case: Case, folders: Folders, nursery: Nursery) -> Outcome:
    """Give a worker of its own a request, then a signal or a last message; wait for its end."""
    assert case.kill is not None
    wanted = wanted_of(case, folders)
    for name in ("stdin", "stdout"):
        wanted[name] = str(folders.case / f"{name}.pipe")
        os.mkfifo(wanted[name])
    wanted["stderr"] = str(folders.case / "stderr")
    begun = time.monotonic()
    out = os.open(wanted["stdout"], os.O_RDONLY | os.O_NONBLOCK)
    to = os.open(wanted["stdin"], os.O_RDWR)  # does not wait for the other side
    os.set_blocking(out, True)
    pid = nursery.fork(wanted)
    request = {"type": "run", "id": "k", "job": case.job, "request": case.request}
    os.write(to, json.dumps(request).encode() + b"\n")
    status = nursery.ended(case.kill.after)
    goodbye, alone = case.streams["goodbye"], case.kill.signal == signal.SIGINT  # which it does not heed
    if status is None and goodbye in ("cancel", "shutdown"):
        os.write(to, json.dumps({"type": goodbye, "id": "k"}).encode() + b"\n")
    elif status is None and goodbye == "signal" and not alone:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, case.kill.signal)
    if goodbye == "cancel" or alone:
        time.sleep(0.6)
    os.close(to)  # the end of its input
    if status is None:
        status = nursery.ended(case.seconds)
    os.close(out)
    if status is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        nursery.ended(30)
        return Outcome("hung", seconds=time.monotonic() - begun, killed=True)
    if goodbye != "signal" or alone:
        case.kill.signal = int(signal.SIGTERM)  # an orderly end: nothing may be left
    return Outcome(
        "died" if status < 0 else "error", status, "", seconds=time.monotonic() - begun, killed=True
    )


def _text(folders: Folders, name: str) -> str:
    return (folders.case / name).read_text("utf-8", "replace")
