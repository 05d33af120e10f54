"""A worker that stays, as QGIS keeps one: requests in, answers out, with a limit in time."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

from tests.torture.case import Json, Outcome
from tests.torture.running.surroundings import ROOT, environment

_COMMAND = ["-u", "-s", "-m", "engine", "worker"]
_START_SECONDS = 120.0
_STATUS = {"input": 2, "package": 2, "version": 2, "cancelled": 130}


class Conversation:
    """Lines to and from a worker, whoever started it."""

    def __init__(self, to: IO[bytes], out: IO[bytes]) -> None:
        self._to = to
        self.messages: queue.Queue[Json | None] = queue.Queue()
        threading.Thread(target=self._read, args=(out,), daemon=True).start()

    def _read(self, out: IO[bytes]) -> None:
        try:
            for line in out:
                try:
                    message = json.loads(line)
                except ValueError:
                    message = {"type": "nonsense", "line": line[:200].decode(errors="replace")}
                self.messages.put(message if isinstance(message, dict) else {"type": "nonsense"})
        except (OSError, ValueError):  # closed from this side
            pass
        self.messages.put(None)

    def raw(self, line: bytes) -> None:
        """Send one line as it is."""
        self._to.write(line)
        self._to.flush()

    def next(self, seconds: float) -> Json | None:
        """Return the next message, None at the end.

        Raises:
            TimeoutError: none came in time.
        """
        try:
            return self.messages.get(timeout=max(seconds, 0.01))
        except queue.Empty:
            raise TimeoutError from None

    def answer(self, identity: str | None, seconds: float) -> Outcome:
        """Wait for the result or error of a run (None: of any)."""
        started = time.monotonic()
        while True:
            try:
                message = self.next(started + seconds - time.monotonic())
            except TimeoutError:
                return Outcome("hung", seconds=time.monotonic() - started)
            taken = time.monotonic() - started
            if message is None:
                return Outcome("died", seconds=taken)
            if message["type"] == "nonsense":
                return Outcome("error", message=message.get("line", ""), detail="no JSON", seconds=taken)
            wanted = identity is None or message.get("id") in (identity, None)
            if message["type"] not in ("result", "error") or not wanted:
                continue
            if message["type"] == "result":
                return Outcome("result", 0, result=message["result"], seconds=taken)
            status, kind = _STATUS.get(message["kind"], 1), {"kind": message["kind"]}
            detail = message.get("detail") or ""
            return Outcome("error", status, message["message"], detail, kind, taken)


class Peer:
    """A worker process that is started when it is needed, and again when it is gone."""

    def __init__(self, folder: Path) -> None:
        self.temporary, self.cache = folder / "worker" / "tmp", folder / "worker" / "cache"
        self._errors = folder / "worker" / "stderr"
        for made in (self.temporary, self.cache):
            made.mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None
        self._talk: Conversation | None = None
        self._runs = 0

    def _begin(self) -> Conversation:
        if self._talk is not None and self._process is not None and self._process.poll() is None:
            return self._talk
        self.close()
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, *_COMMAND],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=ROOT,
                env=environment(self.temporary, self.cache),
            )
        assert self._process.stdin and self._process.stdout
        self._talk = Conversation(self._process.stdin, self._process.stdout)
        hello = self._talk.next(_START_SECONDS)
        if not hello or hello["type"] != "hello":
            raise RuntimeError(f"the worker did not say hello: {hello}; {self.noise()}")
        return self._talk

    def run(self, job: str, request: Any, seconds: float) -> Outcome:
        """Run a job; a worker that hangs is ended."""
        self._runs += 1
        identity = str(self._runs)
        message = {"type": "run", "id": identity, "job": job, "request": request}
        return self._told(json.dumps(message).encode() + b"\n", identity, seconds)

    def lines(self, lines: list[bytes], seconds: float) -> Outcome:
        """Send raw lines; return the answer to the last."""
        outcome = Outcome("died")
        for line in lines:
            outcome = self._told(line + b"\n", None, seconds)
        return outcome

    def _told(self, line: bytes, identity: str | None, seconds: float) -> Outcome:
        talk = self._begin()
        try:
            talk.raw(line)
        except OSError:
            return Outcome("died", detail=self.noise())
        outcome = talk.answer(identity, seconds)
        if outcome.ended == "died":
            outcome.detail, outcome.status = self.noise(), self._process.wait() if self._process else None
        if outcome.ended in ("hung", "died"):
            self.close()
        return outcome

    def noise(self) -> str:
        """Return the end of what it wrote to standard error."""
        return self._errors.read_text("utf-8", "replace")[-3000:] if self._errors.exists() else ""

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = self._talk = None
