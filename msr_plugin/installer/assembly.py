"""Wheels, uv and Python put together to an environment, without a network."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess  # nosec B404: uv is a program of its own; argument list, no shell
import tarfile
import threading
import zipfile
from collections import deque
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ..system_refusals import not_started
from ..translation import tr
from ..worker.environment import scrubbed_environment, venv_python
from .lock import LockedFile
from .problems import InstallCancelled, InstallProblem, refused_by_system, scrubbed
from .progress import InstallProgress, Watcher

_POLL = 0.2  # seconds
_TAIL = 12  # last lines of uv that a failure tells


def unpack_uv(wheel: Path, folder: Path) -> Path:
    """Take the program out of uv's wheel; return its path.

    Raises:
        InstallProblem: the wheel has none, or it cannot be written.
    """
    name = "uv.exe" if os.name == "nt" else "uv"
    path = folder / name
    try:
        with zipfile.ZipFile(wheel) as archive:
            (entry,) = [n for n in archive.namelist() if n.endswith(f".data/scripts/{name}")]
            with archive.open(entry) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target)
        path.chmod(0o755)
    except OSError as error:
        raise refused_by_system(path, error) from error
    except (ValueError, zipfile.BadZipFile):
        raise InstallProblem(tr("{} holds no uv for this machine.").format(wheel.name)) from None
    return path


def unpack_python(archive: Path, folder: Path, watcher: Watcher) -> Path:
    """Unpack a standalone Python; return its interpreter.

    Raises:
        InstallProblem: the archive is damaged, leads out of the folder, or cannot be written.
    """
    watcher.told(InstallProgress(tr("Unpacking Python")))
    try:
        with tarfile.open(archive) as tar:
            if hasattr(tarfile, "data_filter"):  # beside our own check, which older Pythons need
                tar.extraction_filter = tarfile.data_filter
            for member in tar:
                _check_member(member)
                tar.extract(member, folder, set_attrs=True)
                if watcher.is_cancelled():
                    raise InstallCancelled
    except OSError as error:
        raise refused_by_system(folder, error) from error
    except (tarfile.TarError, ValueError, EOFError):
        raise InstallProblem(tr("{} is damaged.").format(archive.name)) from None
    python = folder / "python" / ("python.exe" if os.name == "nt" else "bin/python3")
    if not python.is_file():
        raise InstallProblem(tr("{} holds no Python for this machine.").format(archive.name))
    return python


def _check_member(member: tarfile.TarInfo) -> None:
    """Refuse what would be written outside: the filter of newer Pythons is not everywhere.

    Raises:
        ValueError: it would.
    """
    path = PurePosixPath(member.name)
    outside = path.is_absolute() or ".." in path.parts or ":" in member.name or "\\" in member.name
    if outside or not (member.isfile() or member.isdir() or member.issym()):
        raise ValueError(member.name)
    if member.issym():
        depth = 0
        for part in (path.parent / member.linkname).parts:
            depth += -1 if part == ".." else 1
            if depth < 1 or part == "/":
                raise ValueError(member.name)


def requirement_lines(wheels: Sequence[LockedFile], checksums: dict[str, str]) -> str:
    """Return the wheels as uv's list: each version with its checksum."""
    lines = []
    for wheel in wheels:
        name, version = wheel.name.split("-")[:2]
        lines.append(f"{name}=={version} --hash=sha256:{checksums[wheel.name]}")
    return "\n".join(lines) + "\n"


class Uv:
    """The program uv, which here never asks a network."""

    def __init__(self, program: Path, cache: Path, watcher: Watcher) -> None:
        self._program = program
        self._options = ["--offline", "--no-config", "--no-python-downloads", "--color", "never"]
        self._options += ["--no-progress", "--cache-dir", str(cache)]
        self._watcher = watcher

    def make_environment(self, python: Path, folder: Path) -> Path:
        """Make an empty environment; return its interpreter.

        Raises:
            InstallProblem: uv failed.
        """
        self._run(["venv", "--no-project", "--python", str(python), str(folder)])
        return venv_python(folder)

    def install(self, python: Path, requirements: Path, wheels: Path) -> None:
        """Install wheels of a folder into an environment, each against its checksum.

        Raises:
            InstallProblem: uv failed.
        """
        arguments = ["pip", "install", "--python", str(python), "--no-deps", "--require-hashes", "--no-index"]
        arguments += ["--find-links", str(wheels), "--compile-bytecode", "--only-binary", ":all:"]
        self._run([*arguments, "--requirements", str(requirements)])

    def _run(self, arguments: Sequence[str]) -> None:
        environment = scrubbed_environment()
        for name in list(environment):
            if name.upper().startswith(("UV_", "PIP_", "PYTHON")):
                del environment[name]
        try:
            process = subprocess.Popen(  # nosec B603: no shell; the program of the lock
                [str(self._program), *arguments, *self._options],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            raise InstallProblem(tr("uv could not start: {}.").format(not_started(error))) from error
        tail = self._follow(process)
        if process.returncode:
            raise InstallProblem(
                tr("uv could not put the engine together:") + "\n" + scrubbed("\n".join(tail))
            )

    def _follow(self, process: subprocess.Popen[bytes]) -> deque[str]:
        """Log what it says until it ends; end it when the user asks to stop."""
        lines: queue.Queue[bytes | None] = queue.Queue()

        def read() -> None:
            for line in process.stdout or ():
                lines.put(line)
            lines.put(None)

        threading.Thread(target=read, name="msr uv", daemon=True).start()
        tail: deque[str] = deque(maxlen=_TAIL)
        try:
            while True:
                try:
                    line = lines.get(timeout=_POLL)
                except queue.Empty:
                    line = b""
                if self._watcher.is_cancelled():
                    raise InstallCancelled
                if line is None:
                    break
                if text := line.decode("utf-8", "replace").rstrip():
                    tail.append(text)
                    self._watcher.log(scrubbed(text))
        finally:
            if process.poll() is None and self._watcher.is_cancelled():
                process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
        return tail
