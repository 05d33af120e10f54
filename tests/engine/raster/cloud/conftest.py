"""A server of files for the tests of rasters on servers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.engine.raster.cloud import file_server


class Served:
    """What a server gives, and what it was asked for; see `file_server`.

    Args:
        place: of the folder and the two files.

    Attributes:
        folder: of the files.
        port: of the loopback.
        user, token: that each request must bring, "" for none.
        ranges: whether pieces are given.
        head: whether HEAD is answered.
        tells: what is told of a file's version: tag, time or both.
        cut: of paths that match, the connection breaks off in the middle.
        slow: of paths that match, bytes come one after the other.
        silent: of paths that match, nothing comes.
        to: of paths that match, where to go instead.
        status: of paths that match, the status instead of the file.
    """

    port = 0

    def __init__(self, place: Path) -> None:
        self._place, self._seen = place, 0
        self._state = {"user": "", "token": "", "ranges": True, "head": True, "cut": "", "status": {}}
        self._state |= {"tells": "tag time", "slow": "", "silent": "", "to": {}}
        self.folder = place / "served"
        self.folder.mkdir()
        self._tell()

    def __setattr__(self, name: str, value: object) -> None:
        if name.startswith("_") or name not in self._state:
            object.__setattr__(self, name, value)
        else:
            self._state[name] = value
            self._tell()

    def _tell(self) -> None:
        path = self._place / "state.json"
        new = path.with_suffix(".new")
        new.write_text(json.dumps(self._state))
        new.rename(path)

    @property
    def asked(self) -> list[tuple[str, str, int]]:
        """Method, path and bytes given of each request since `forget`."""
        log = self._place / "asked.jsonl"
        lines = log.read_text().splitlines() if log.exists() else []
        return [tuple(json.loads(line)) for line in lines[self._seen :]]

    @property
    def brought(self) -> list[list[str]]:
        """What each request brought: login and query."""
        return [json.loads(line) for line in (self._place / "brought.jsonl").read_text().splitlines()]

    def forget(self) -> None:
        """Begin to count anew."""
        self._seen += len(self.asked)

    def url(self, path: str, login: str = "", query: str = "") -> str:
        """Return the address of a file."""
        return f"http://{login and login + '@'}127.0.0.1:{self.port}/{path}{query and '?' + query}"

    @property
    def given(self) -> int:
        """Bytes so far."""
        return sum(size for *_, size in self.asked)

    def paths(self) -> list[str]:
        """Return the paths of the objects that were given."""
        return [path for _, path, size in self.asked if size]


@pytest.fixture()
def served(tmp_path: Path) -> Iterator[Served]:
    """Serve a folder."""
    with serving(tmp_path / "server") as made:
        yield made


@pytest.fixture()
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for results, and a cache of the test's own."""
    monkeypatch.setenv("MSR_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@contextmanager
def serving(place: Path) -> Iterator[Served]:
    """Serve a folder that is made within a place."""
    place.mkdir()
    made = Served(place)
    words = [sys.executable, "-s", file_server.__file__, str(place)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            made.port = int(process.stdout.readline())
            yield made
        finally:
            process.kill()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loopback is reached directly, and again at once."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("engine.raster.cloud.transport._PAUSE", 0.01)
