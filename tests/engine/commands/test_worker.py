"""The worker as its parent sees it: a real process, real pipes."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from engine.commands import worker as worker_module
from engine.contract import PROTOCOL
from engine.files.root import ROOT
from engine.version import VERSION

PATIENCE = 60.0  # seconds before a test gives up

PROTOCOL_SCHEMA = json.loads(worker_module.SCHEMA_FILE.read_text(encoding="utf-8"))
HEARD, SAID = (
    Draft202012Validator({**PROTOCOL_SCHEMA, "oneOf": [{"$ref": f"#/$defs/{side}"}]})
    for side in ("to_worker", "from_worker")
)
STAND_IN = Path(__file__).with_name("stand_in_worker.py")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


class Peer:
    """A worker and the messages that came from it."""

    def __init__(self, host: str = VERSION, idle: float = 600) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-s", str(STAND_IN), host, str(idle)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
        )
        self.messages: queue.Queue[dict | None] = queue.Queue()
        self.noise = b""
        threading.Thread(target=self._read, daemon=True).start()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.messages.put(json.loads(line))
        self.messages.put(None)

    def _listen(self) -> None:
        for line in self.process.stderr:
            self.noise += line

    def send(self, **message: object) -> None:
        self.raw(json.dumps(message).encode() + b"\n")

    def raw(self, data: bytes) -> None:
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def run(self, id: str, job: str, **request: object) -> None:
        self.send(type="run", id=id, job=job, request=request)

    def next(self) -> dict | None:
        message = self.messages.get(timeout=PATIENCE)
        if message is not None:
            SAID.validate(message)
        return message

    def until(self, *kinds: str, phase: str | None = None) -> dict:
        while True:
            message = self.next()
            assert message is not None, self.noise.decode()
            if message["type"] in kinds and phase in (None, message.get("phase")):
                return message

    def ends(self) -> int:
        return self.process.wait(timeout=PATIENCE)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()


@pytest.fixture
def start():
    peers: list[Peer] = []

    def make(*arguments: object) -> Peer:
        peers.append(Peer(*arguments))
        return peers[-1]

    yield make
    for peer in peers:
        peer.close()


@pytest.fixture(scope="module")
def warm():
    """One worker for all tests that leave it alive."""
    peer = Peer()
    peer.hello = peer.next()
    yield peer
    assert peer.process.poll() is None
    peer.close()


@pytest.mark.parametrize(
    ("message", "valid"),
    [
        ({"type": "run", "id": "a", "job": "doctor", "request": {"models": ["m"]}}, True),
        ({"type": "run", "id": "a", "job": "models"}, True),
        ({"type": "run", "id": "a", "job": "check_package", "request": {"folder": "m"}}, True),
        ({"type": "run", "id": "a", "job": "super_resolve", "request": {"model": "bicubic"}}, True),
        ({"type": "cancel", "id": "a"}, True),
        ({"type": "shutdown"}, True),
        ({"type": "run", "id": "", "job": "doctor"}, False),
        ({"type": "run", "id": "a", "job": "doctor", "request": {"models": [3]}}, False),
        ({"type": "run", "id": "a", "job": "check_package"}, False),
        ({"type": "run", "id": "a", "job": "check_package", "request": {"folder": ""}}, False),
        ({"type": "cancel"}, False),
        ({"type": "dance", "id": "a"}, False),
    ],
)
def test_the_schema_of_what_a_parent_says(message: dict, valid: bool) -> None:
    assert HEARD.is_valid(message) == valid


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(PROTOCOL_SCHEMA)
    assert PROTOCOL_SCHEMA["$defs"]["hello"]["properties"]["protocol"]["const"] == PROTOCOL


def test_hello(warm: Peer) -> None:
    hello = warm.hello
    assert hello["type"] == "hello" and hello["protocol"] == PROTOCOL and hello["version"] == VERSION
    assert hello["pid"] == warm.process.pid
    assert hello["versions"]["torch"]
    assert hello["devices"][-1]["id"] == "cpu"


def test_a_run_answers_and_the_state_stays(warm: Peer) -> None:
    warm.run("a", "echo", text="Überträge €", n=3)
    started = warm.next()
    assert (started["type"], started["id"], started["fraction"]) == ("progress", "a", 0)
    assert warm.until("result") == {"id": "a", "type": "result", "result": {"text": "Überträge €", "n": 3}}
    for n in (1, 2):
        warm.run(f"count{n}", "count")
        assert warm.until("result")["result"] == {"n": n}


def test_the_real_jobs_answer(warm: Peer) -> None:
    warm.run("m", "models")
    assert {b["id"] for b in warm.until("result")["result"]["baselines"]} >= {"bilinear", "bicubic"}
    warm.run("d", "doctor")
    assert warm.until("result")["result"]["engine"] == VERSION
    warm.run("p", "check_package", folder="/nowhere/at/all")
    error = warm.until("error")
    assert error["kind"] == "package" and "/nowhere/at/all" in error["message"]
    warm.run("s", "super_resolve", surprise=1)
    error = warm.until("error")
    assert error["kind"] == "input" and "surprise" in error["message"]


def test_numbers_that_json_cannot_hold_are_null(warm: Peer) -> None:
    warm.run("n", "numbers")
    assert warm.until("result")["result"] == {"a": None, "b": [None, 1.5]}


@pytest.mark.parametrize(
    ("what", "kind", "words"),
    [
        ("input", "input", "wrong input"),
        ("memory", "memory", "Memory ran out"),
        ("failure", "failure", "a fault of its own"),
        ("exit", "failure", "a fault of its own"),
        ("rasterio", "input", "A raster cannot be read or written: check the input files"),
    ],
)
def test_errors_become_sentences_and_the_worker_lives(warm: Peer, what: str, kind: str, words: str) -> None:
    warm.run(what, "fail", what=what)
    error = warm.until("error")
    assert (error["id"], error["kind"]) == (what, kind)
    assert words in error["message"] and "\n" not in error["message"]
    assert "Traceback" in error["detail"]


@pytest.mark.parametrize(
    ("line", "id", "words"),
    [
        (b"{", None, "not JSON"),
        (b"\xff\xfe", None, "not JSON"),
        (b"[" * 100_000, None, "not JSON"),
        (b"[1]", None, "not an object"),
        (b"\0\0", None, "not JSON"),
        (b'{"type": "run", "id": ' + b"9" * 5_000 + b"}", None, "not JSON"),
        (b'{"type": {"a": []}, "id": {"b": 1}}', None, "no message of type"),
        (b'{"type": "' + b"x" * 100_000 + b'"}', None, "no message of type xxx"),
        (b'{"type": "run", "id": "' + b"x" * 100_000 + b'", "job": "echo"}', None, "lacks an id"),
        (b'{"type": "dance", "id": "x"}', "x", "no message of type dance"),
        (b'{"type": "run", "job": "echo"}', None, "lacks an id"),
        (b'{"type": "run", "id": 5, "job": "echo"}', None, "lacks an id"),
        (b'"' + b"a" * (worker_module.LONGEST_LINE + 2**18) + b'"', None, "longer than"),
    ],
)
def test_malformed_lines(warm: Peer, line: bytes, id: str | None, words: str) -> None:
    warm.raw(line + b"\n\n")
    error = warm.until("error")
    assert (error["kind"], error["id"]) == ("protocol", id)
    assert words in error["message"] and len(error["message"]) < 200
    warm.run("after", "echo", ok=True)
    assert warm.until("result")["id"] == "after"


def test_an_unknown_job_and_a_request_that_is_none(warm: Peer) -> None:
    warm.run("j", "dance")
    error = warm.until("error")
    assert error["kind"] == "input" and "no job dance" in error["message"]
    warm.send(type="run", id="r", job="echo", request=[1])
    assert warm.until("error")["kind"] == "input"


@pytest.mark.parametrize("id", ["\ud800", "../../etc/passwd", "a\0b", "a\nb"])
def test_a_deep_or_odd_request_is_one_sentence(warm: Peer, id: str) -> None:
    request = b'{"model":' * 900 + b"1" + b"}" * 900
    name = json.dumps(id).encode()
    warm.raw(b'{"type": "run", "id": ' + name + b', "job": "super_resolve", "request": ' + request + b"}\n")
    error = warm.until("error")
    assert error["kind"] == "input" and "\n" not in error["message"] and len(error["message"]) < 500
    warm.run("after", "echo", ok=True)
    assert warm.until("result")["id"] == "after"


def test_printing_libraries_do_not_corrupt(warm: Peer) -> None:
    warm.run("noise", "noise")
    assert warm.until("result")["result"] == {"stdin": ""}  # every line before it was JSON, too
    warm.run("flush", "echo")
    warm.until("result")
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and b"child" not in warm.noise:
        time.sleep(0.02)
    for words in (b"python", b"{descriptor", b"original", b"C library", b"child"):
        assert words in warm.noise


def test_cancel_and_a_second_run_meanwhile(warm: Peer, tmp_path: Path) -> None:
    warm.run("w", "wait", output=str(tmp_path / "o.tif"))
    progress = warm.until("progress", phase="Waiting")
    assert progress["tiles_total"] == 1000 and progress["seconds_left"] == 1.5
    warm.run("second", "echo")
    refused = warm.until("error")
    assert (refused["id"], refused["kind"]) == ("second", "protocol") and "busy" in refused["message"]
    warm.send(type="cancel", id="another")
    warm.until("progress")
    warm.send(type="cancel", id="w")
    error = warm.until("error", "result")
    assert (error["id"], error["kind"]) == ("w", "cancelled")
    assert "ends" not in error
    assert os.listdir(tmp_path) == []
    warm.run("next", "echo")
    assert warm.until("result")["id"] == "next"


def test_a_cancel_in_the_last_instant_leaves_no_file(warm: Peer, tmp_path: Path) -> None:
    warm.run("l", "late", output=str(tmp_path / "o.tif"))
    warm.until("progress", phase="Late")
    assert os.listdir(tmp_path) == ["o.tif"]
    warm.send(type="cancel", id="l")
    assert warm.until("error", "result")["kind"] == "cancelled"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("how", [{}, {"torch": True}, {"finish": True}])
def test_a_job_that_does_not_hear_a_cancel(start, tmp_path: Path, how: dict) -> None:
    peer = start()
    peer.run("d", "deaf", output=str(tmp_path / "o.tif"), **how)
    peer.until("progress", phase="Deaf")
    peer.send(type="cancel", id="d")
    error = peer.until("error")
    assert (error["id"], error["kind"]) == ("d", "cancelled")
    assert error["ends"] is True
    assert peer.next() is None
    assert peer.ends() == 0
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("torch", [False, True])
def test_the_end_of_input_ends_it_at_once(start, tmp_path: Path, torch: bool) -> None:
    peer = start()
    peer.run("d", "deaf", output=str(tmp_path / "o.tif"), torch=torch)
    peer.until("progress", phase="Deaf")
    peer.process.stdin.close()
    assert peer.ends() == 0
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no such signal")
def test_terminate_ends_it_and_ctrl_c_does_not(start, tmp_path: Path) -> None:
    peer = start()
    peer.run("d", "deaf", output=str(tmp_path / "o.tif"))
    peer.until("progress", phase="Deaf")
    peer.process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    assert peer.process.poll() is None
    peer.process.terminate()
    assert peer.ends() == 128 + signal.SIGTERM
    assert os.listdir(tmp_path) == []


def test_shutdown(start) -> None:
    peer = start()
    peer.until("hello")
    peer.send(type="shutdown")
    assert peer.ends() == 0


def test_a_job_that_kills_the_process(start) -> None:
    peer = start()
    peer.run("x", "die")
    assert peer.until("progress")["id"] == "x"
    assert peer.next() is None
    assert peer.ends() != 0


def test_idle_time(start, tmp_path: Path) -> None:
    peer = start(VERSION, 0.5)
    peer.run("w", "wait", output=str(tmp_path / "o.tif"))
    end = time.monotonic() + 1.0  # longer than the idle time: a run that goes on is not idle
    while time.monotonic() < end:
        peer.until("progress", phase="Waiting")
    peer.send(type="cancel", id="w")
    assert peer.until("error")["kind"] == "cancelled"
    assert peer.next() is None
    assert peer.ends() == 0


def test_versions_that_differ(start) -> None:
    peer = start("0.0.9", 600)
    error = peer.next()
    assert (error["type"], error["kind"], error["id"]) == ("error", "version", None)
    assert "0.0.9" in error["message"] and VERSION in error["message"]
    assert peer.next() is None
    assert peer.ends() == 2


def test_two_workers_do_not_disturb_each_other(warm: Peer, start, tmp_path: Path) -> None:
    other = start()
    other.run("x", "wait", output=str(tmp_path / "o.tif"))
    other.until("progress", phase="Waiting")
    warm.run("y", "wait", output=str(tmp_path / "o.tif"))
    warm.until("progress", phase="Waiting")
    assert len(os.listdir(tmp_path)) == 2
    warm.send(type="cancel", id="y")
    assert warm.until("error")["id"] == "y"
    other.until("progress", phase="Waiting")
    assert len(os.listdir(tmp_path)) == 1


def test_the_command_starts_it() -> None:
    command = [sys.executable, "-u", "-s", "-m", "engine", "worker", "--host-version", VERSION]
    done = subprocess.run(command, input=b"", capture_output=True, cwd=ROOT, timeout=PATIENCE, check=False)
    assert done.returncode == 0
    assert json.loads(done.stdout)["type"] == "hello"
