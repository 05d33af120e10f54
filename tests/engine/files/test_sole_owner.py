"""A folder that one process at a time owns: of this machine, of another one, or a dead one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from engine.errors import InputError
from engine.files import sole_owner as module
from engine.files.atomic import HOST
from engine.files.root import ROOT
from engine.files.sole_owner import MARK, sole_owner

HOLD = """
import sys, pathlib
from engine.files.sole_owner import sole_owner
with sole_owner(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
RACE = """
import sys, pathlib
from engine.errors import InputError
from engine.files.sole_owner import sole_owner
print("ready", flush=True)
sys.stdin.readline()
try:
    with sole_owner(pathlib.Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.read()
except InputError:
    print("refused", flush=True)
"""


def process(script: str, folder: Path) -> subprocess.Popen:
    words = [sys.executable, "-s", "-c", script, str(folder)]
    return subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def mark_of(folder: Path, host: str, pid: int) -> Path:
    mark = folder / MARK
    mark.write_text(json.dumps({"host": host, "pid": pid}))
    return mark


def test_a_second_one_is_refused_as_long_as_the_first_one_runs(tmp_path: Path) -> None:
    with process(HOLD, tmp_path) as first:
        assert first.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=rf"^Another process \({first.pid}\) writes into {tmp_path}:"):
            sole_owner(tmp_path).__enter__()
        first.kill()
        first.wait()
        with sole_owner(tmp_path):
            pass
    assert list(tmp_path.iterdir()) == []


def test_so_it_is_within_one_process(tmp_path: Path) -> None:
    with sole_owner(tmp_path), pytest.raises(InputError, match="writes into"):
        sole_owner(tmp_path).__enter__()
    with sole_owner(tmp_path):
        pass


def test_of_many_that_see_a_dead_ones_mark_one_gets_it(tmp_path: Path) -> None:
    mark_of(tmp_path, HOST, 2**22 + 1)
    every = [process(RACE, tmp_path) for _ in range(4)]
    try:
        for one in every:
            assert one.stdout.readline() == "ready\n"
        for one in every:
            one.stdin.write("\n")
            one.stdin.flush()
        assert sorted(one.stdout.readline() for one in every) == ["held\n", *["refused\n"] * 3]
    finally:
        for one in every:
            one.kill()
            one.communicate()


@pytest.fixture()
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BEAT_SECONDS", 0.05)


@pytest.mark.usefixtures("fast")
def test_one_elsewhere_is_known_by_its_signs_of_life(tmp_path: Path) -> None:
    mark, ended = mark_of(tmp_path, "elsewhere", 7), threading.Event()
    beats = threading.Thread(target=module._beat, args=(mark, ended))
    beats.start()
    try:
        with pytest.raises(InputError, match=r"Another process \(7\) writes into"):
            sole_owner(tmp_path).__enter__()
    finally:
        ended.set()
        beats.join()
    with sole_owner(tmp_path):  # it is silent now
        assert json.loads(mark.read_text())["pid"] == os.getpid()


def test_one_that_was_long_silent_is_not_waited_for(tmp_path: Path) -> None:
    os.utime(mark_of(tmp_path, "elsewhere", 7), (1, 1))
    begun = time.monotonic()
    with sole_owner(tmp_path):
        assert time.monotonic() - begun < module._BEAT_SECONDS


@pytest.mark.usefixtures("fast")
def test_the_owner_gives_signs_of_life(tmp_path: Path) -> None:
    with sole_owner(tmp_path):
        before, ends = (tmp_path / MARK).stat().st_mtime_ns, time.monotonic() + 30
        while (tmp_path / MARK).stat().st_mtime_ns == before:
            assert time.monotonic() < ends
            time.sleep(0.02)


@pytest.mark.parametrize("words", [b"", b"[]", b'{"host": 3}', b"\xff"])
def test_a_mark_that_says_nothing_is_none(tmp_path: Path, words: bytes) -> None:
    (tmp_path / MARK).write_bytes(words)
    with sole_owner(tmp_path):
        assert HOST in (tmp_path / MARK).read_text()


def test_a_file_system_without_links_has_marks_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise PermissionError(1, "no links")

    monkeypatch.setattr(os, "link", link)
    with sole_owner(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [MARK]
        assert not module._put(tmp_path / MARK, b"another")


def test_another_ones_mark_is_left_in_the_end(tmp_path: Path) -> None:
    with sole_owner(tmp_path):
        mark_of(tmp_path, "elsewhere", 7)
    assert "elsewhere" in (tmp_path / MARK).read_text()
