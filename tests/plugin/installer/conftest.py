"""A profile of its own, a small lock, and a server on loopback that serves its files, faults included."""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import os
import shutil
import socketserver
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

UV_WHEEL_FOLDER = "uv-0.0.1.data/scripts/uv"
LARGE = 300_000  # bytes of the wheel that connections are cut in


def wheel(name: str, version: str, tag: str = "py3-none-any", payload: int = 0) -> tuple[str, bytes]:
    """Return file name and bytes of a wheel with one module; `payload` bytes of noise in it."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": f"VERSION = {version!r}\n".encode(),
        f"{name}/noise.bin": os.urandom(payload),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: msr\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    record = []
    for path, content in files.items():
        sha = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record.append(f"{path},sha256={sha},{len(content)}")
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]).encode() + b"\n"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return f"{name}-{version}-{tag}.whl", stream.getvalue()


def python_archive() -> bytes:
    """Return a “standalone Python”: a launcher of the one that runs this."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, text in {
            "python/bin/python3.12": f'#!/bin/sh\nexec {sys.executable} "$@"\n',
        }.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), 0o755
            archive.addfile(entry, io.BytesIO(text.encode()))
        link = tarfile.TarInfo("python/bin/python3")
        link.type, link.linkname = tarfile.SYMTYPE, "python3.12"
        archive.addfile(link)
    return stream.getvalue()


class Index:
    """What the server serves, what it was asked, and how it misbehaves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[tuple[str, str | None]] = []
        self.cut: dict[str, int] = {}  # name → bytes after which the connection ends, once each
        self.status: dict[str, int] = {}
        self.silent: set[str] = set()
        self.ranges = True
        self.ended = threading.Event()
        self.on_request: Callable[[str], None] = lambda name: None
        self.url = ""


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, index: Index, *arguments) -> None:
        self.index = index
        super().__init__(*arguments)

    def do_GET(self) -> None:
        index, name = self.index, self.path.rpartition("/")[2]
        wanted = self.headers.get("Range")
        index.asked.append((self.path, wanted))
        index.on_request(name)
        if name in index.silent:
            index.ended.wait(60)
            return
        if name in index.status:
            self.send_error(index.status[name])
            return
        path = index.folder / (name or "page.html")
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        start = int(wanted[6:-1]) if wanted and index.ranges else 0
        if start and start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = start + index.cut.pop(name) if name in index.cut else len(content)
        self.wfile.write(content[start:end])
        self.wfile.flush()
        self.close_connection = True

    def log_message(self, *_) -> None:
        """Say nothing."""


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@pytest.fixture
def index(tmp_path) -> Index:
    folder = tmp_path / "index"
    folder.mkdir()
    index = Index(folder)
    with _Server(("127.0.0.1", 0), functools.partial(_Handler, index)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        index.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield index
        index.ended.set()
        server.shutdown()


@pytest.fixture(scope="session")
def uv_program(tmp_path_factory) -> Path:
    """The real uv, from the environment of `./dev lock`, else from PyPI as the lock pins it."""
    from msr_plugin.installer.lock import read_lock
    from msr_plugin.installer.machine import platform_name

    folder = tmp_path_factory.mktemp("uv")
    here = Path(__file__).resolve().parents[3] / ".envs" / "lock" / "bin" / "uv"
    if here.is_file():
        return here
    locked = read_lock(platform_name()).uv
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder)]
    done = subprocess.run([*command, f"uv=={locked.name.split('-')[1]}"], check=False, capture_output=True)
    if done.returncode:
        pytest.skip("PyPI cannot be reached, and no uv is here")
    (path,) = folder.glob("uv-*.whl")
    with zipfile.ZipFile(path) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".data/scripts/uv")]
        program = folder / "uv"
        program.write_bytes(archive.read(name))
    program.chmod(0o755)
    return program


@pytest.fixture
def profile(qgis_app, monkeypatch, tmp_path) -> Path:
    """An empty profile folder of the plugin's."""
    from msr_plugin.installer import downloads, one_at_a_time, removal
    from msr_plugin.worker import installed_engine

    folder = tmp_path / "profile" / "msr"
    for module in (downloads, one_at_a_time, removal, installed_engine):
        monkeypatch.setattr(module, "profile_folder", lambda: folder)
    yield folder
    for path in (folder.parent, folder):
        if path.exists():
            path.chmod(0o755)


@pytest.fixture
def lock(index, profile, uv_program):
    """A lock of two wheels, with files on the server; its uv is the real one."""
    from msr_plugin.installer.lock import read_lock

    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    uv_name = "uv-0.0.1-py3-none-any.whl"
    with zipfile.ZipFile(index.folder / uv_name, "w") as archive:
        archive.write(uv_program, UV_WHEEL_FOLDER)
    (index.folder / "cpython-3.12.0.tar.gz").write_bytes(python_archive())
    lines = ["# of tests", "requirements 0"]

    def line(start: str, name: str) -> str:
        content = (index.folder / name).read_bytes()
        return f"{start} {hashlib.sha256(content).hexdigest()} {len(content)} {index.url}/{name}"

    lines += [line("uv 0.0.1", uv_name), line("python 3.12.0", "cpython-3.12.0.tar.gz")]
    for which, variant, name, payload in (
        ("engine", "any", "affine", 0),
        ("engine", "cpu", "torch", LARGE),
        ("engine", "cuda", "torch", 20 * LARGE),
        ("training", "any", "tqdm", 0),
    ):
        file, content = wheel(name, "1.0+cu1" if variant == "cuda" else "1.0", payload=payload)
        (index.folder / file).write_bytes(content)
        lines.append(line(f"{which} {variant} {version},3.12", file))
    folder = index.folder.parent / "lock"
    folder.mkdir()
    (folder / "testos-x86_64.txt").write_text("\n".join(lines) + "\n")
    return read_lock("testos-x86_64", folder)


@pytest.fixture
def plan(lock):
    """The plan of an engine of that lock for the Python that runs this."""
    from msr_plugin.installer.plan import make_plan
    from msr_plugin.installer.python_choice import FittingPython

    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return make_plan("cpu", lock=lock, python=FittingPython(Path(sys.executable), version))


@pytest.fixture
def network(monkeypatch):
    """The network, impatient."""
    from msr_plugin.installer import network as module

    monkeypatch.setattr(module, "PAUSE", 0.0)
    return module.QgisNetwork()


@pytest.fixture
def fine():
    """A check that imports what was installed, in place of the engine's doctor."""

    def check(python: Path) -> tuple[bool, str]:
        done = subprocess.run(
            [str(python), "-I", "-c", "import affine, torch; print(torch.VERSION)"],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode == 0, done.stdout + done.stderr

    return check


@pytest.fixture
def watcher():
    """Keeps what it is told."""
    from msr_plugin.installer.progress import Watcher

    class Kept:
        def __init__(self) -> None:
            self.progress, self.lines, self.cancelled = [], [], False
            self.watcher = Watcher(self.progress.append, self.lines.append, lambda: self.cancelled)

    return Kept()


@pytest.fixture
def full_disk(tmp_path, monkeypatch):
    """Let writing fail as on a full disk."""

    def fill(module, name: str) -> None:
        def fail(*_, **__):
            raise OSError(28, os.strerror(28))

        monkeypatch.setattr(module, name, fail)

    return fill


@pytest.fixture(autouse=True)
def _clean(tmp_path):
    yield
    shutil.rmtree(tmp_path, ignore_errors=True)
