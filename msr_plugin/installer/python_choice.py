"""A Python on this machine that the engine can be made with, if there is one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess  # nosec B404: asks each Python what it is; argument list, no shell
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..worker.environment import is_store_stand_in, scrubbed_environment

_SECONDS = 20
_MINORS = range(14, 9, -1)
_QUESTION = """\
import json, platform, struct, sys, sysconfig
print(json.dumps([
    platform.python_implementation(), "%d.%d" % sys.version_info[:2], struct.calcsize("P"),
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")), sys.version_info.releaselevel,
    platform.libc_ver()[0] if sys.platform == "linux" else "", platform.machine(),
    sys.executable,
]))
"""


@dataclass(frozen=True)
class FittingPython:
    """An interpreter that an environment can stand on."""

    path: Path
    version: str  # such as 3.12


def fitting_python(
    versions: Collection[str], candidates: Iterable[Path] | None = None
) -> FittingPython | None:
    """Return the first Python of one of these versions: CPython, 64 bit, made for this machine.

    Args:
        versions: such as 3.12.
        candidates: interpreters to ask; the system's, then QGIS' own, where none are given.
    """
    for path in _candidates() if candidates is None else candidates:
        python = _asked(path)
        if python is not None and python.version in versions:
            return python
    return None


def _candidates() -> Iterator[Path]:
    """Yield interpreters, the system's first: they outlive an update of QGIS."""
    names = ["python3", *(f"python3.{minor}" for minor in _MINORS), "python"]
    seen = set()
    for name in names:
        program = shutil.which(name)
        if program and program not in seen:
            seen.add(program)
            yield Path(program)
    if os.name == "nt":
        for base in filter(None, map(os.environ.get, ("LOCALAPPDATA", "PROGRAMFILES"))):
            for minor in _MINORS:
                for folder in (Path(base, "Programs", "Python"), Path(base)):
                    yield folder / f"Python3{minor}" / "python.exe"
    own = Path(sys.prefix)
    yield own / "python.exe" if os.name == "nt" else own / "bin" / "python3"


def _asked(path: Path) -> FittingPython | None:
    """Return a Python that fits, by the path that it has itself; None for all else."""
    if not path.is_file() or is_store_stand_in(path):
        return None
    environment = scrubbed_environment()
    environment.pop("PYTHONPATH", None)
    try:
        done = subprocess.run(  # nosec B603: no shell; a Python on this machine
            [str(path), "-I", "-S", "-c", _QUESTION],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            check=False,
        )
        implementation, version, bytes_, free, level, libc, machine, program = json.loads(
            done.stdout.decode()
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    fits = (implementation, bytes_, free, level) == ("CPython", 8, False, "final")
    of_here = machine.lower() in _machines() and libc in ("", "glibc")
    return FittingPython(Path(program), str(version)) if fits and of_here and program else None


def _machines() -> set[str]:
    import platform

    machine = platform.machine().lower()
    for same in ({"x86_64", "amd64"}, {"arm64", "aarch64"}):
        if machine in same:
            return same
    return {machine}
