"""What an installation would do: which files, how large, to which place, and whether it can."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..folders import too_long
from ..translation import tr
from ..worker.installed_engine import InstalledEngine, engines_folder
from .lock import EngineLock, LockedFile, digest, read_lock
from .machine import has_nvidia, platform_name
from .problems import InstallProblem, refused_by_system
from .progress import bytes_text
from .python_choice import FittingPython, fitting_python

_UNPACKED = {"cpu": 4.5, "cuda": 2.2}  # bytes on disk for each byte of a wheel, as measured
_LONGEST_INSIDE = 150  # signs of the longest path in an engine, from its folder
_RESERVE = 200_000_000  # bytes to leave free


@dataclass(frozen=True)
class InstallPlan:
    """One installation: all is decided, nothing is done yet."""

    lock: EngineLock
    variant: str
    sets: tuple[str, ...]
    python: FittingPython | None  # None: the standalone one
    wheels: tuple[LockedFile, ...]

    @property
    def python_version(self) -> str:
        """Return the version of Python, such as 3.12."""
        return self.python.version if self.python else standalone_version(self.lock)

    @property
    def files(self) -> list[LockedFile]:
        """Return all that is to be had, the tools first."""
        tools = [self.lock.uv] if self.python else [self.lock.uv, self.lock.python]
        wheels = sorted(self.wheels, key=lambda file: bool(file.sha256))  # what asks another index first
        return [*tools, *wheels]

    @property
    def download(self) -> int:
        """Return the bytes to download, as far as they are known."""
        return sum(file.expected for file in self.files)

    @property
    def on_disk(self) -> int:
        """Return the bytes of the engine when it is ready, as estimated."""
        standalone = 0 if self.python else 4 * self.lock.python.expected
        wheels = sum(file.expected for file in self.wheels)
        return int(wheels * _UNPACKED[self.variant]) + standalone

    @property
    def digest(self) -> str:
        """Return what changes when the plugin asks for other files."""
        return digest(self.wheels)

    @property
    def hosts(self) -> list[str]:
        """Return where the files are downloaded from."""
        return sorted({file.url.split("/")[2] for file in self.files})

    @property
    def unknown_checksums(self) -> list[LockedFile]:
        """Return the files whose checksum the lock lacks."""
        return [file for file in self.files if not file.sha256]


def standalone_version(lock: EngineLock) -> str:
    """Return the version of the standalone Python, such as 3.12."""
    return ".".join(lock.python_version.split(".")[:2])


def make_plan(
    variant: str = "cpu",
    sets: Sequence[str] = ("engine",),
    lock: EngineLock | None = None,
    python: FittingPython | None = None,
    standalone: bool = False,
) -> InstallPlan:
    """Decide what to install on this machine.

    Args:
        variant: cpu or cuda.
        sets: engine, and training where that is wanted too.
        lock: this platform's where none is given.
        python: one that fits; looked for where none is given.
        standalone: take the Python that is downloaded, whatever there is.

    Raises:
        InstallProblem: there is no engine for this machine.
    """
    lock = lock or read_lock(platform_name())
    versions = lock.pythons(variant, sets)
    if python is None and not standalone:
        python = fitting_python(versions)
    version = python.version if python else standalone_version(lock)
    if version not in versions:
        raise InstallProblem(
            tr("There is no engine of this kind ({}) for Python {}.").format(variant, version)
        )
    return InstallPlan(lock, variant, tuple(sets), python, tuple(lock.files(version, variant, sets)))


def offered_variants(lock: EngineLock) -> list[str]:
    """Return which of cpu and cuda this machine is offered, cpu first."""
    return [v for v in lock.variants() if v == "cpu" or has_nvidia()]


def is_outdated(engine: InstalledEngine) -> bool:
    """Return whether this version of the plugin asks for other files than an engine was made of."""
    try:
        wheels = read_lock(platform_name()).files(engine.version, engine.variant, engine.sets)
    except InstallProblem:
        return False
    return bool(wheels) and digest(wheels) != engine.digest


def check_place(plan: InstallPlan, downloaded: int = 0) -> None:
    """Refuse a place that cannot take the engine.

    Args:
        plan: of the installation.
        downloaded: bytes that lie there already.

    Raises:
        InstallProblem: the disk is too full, the path too long, or the folder read-only.
    """
    folder = engines_folder()
    if problem := too_long(folder / "1" / ("x" * _LONGEST_INSIDE)):
        raise InstallProblem(tr("The engine cannot be installed in {}: {}").format(folder, problem))
    needed = plan.on_disk + max(0, plan.download - downloaded) + _RESERVE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / "may be written"
        probe.touch()
        probe.unlink()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise refused_by_system(folder, error) from error
    if free < needed:
        raise InstallProblem(
            tr("The disk of {} has {} free, and installing takes {}: make room first.").format(
                folder, bytes_text(free), bytes_text(needed)
            )
        )


def bytes_below(folder: Path) -> int:
    """Return the bytes of the files below a folder; what cannot be read counts nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total
