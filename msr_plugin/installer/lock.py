"""The lock, as `./dev lock` writes it: every file that an engine is made of, with its checksum."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from ..folders import ROOT
from ..translation import tr
from .problems import InstallProblem

FOLDER = ROOT / "resources" / "lock"
_SETS = ("engine", "training")
_OPEN = "-"  # a checksum or a size that could not be had when the lock was written
_GUESSED = {"cpu": 200_000_000, "cuda": 1_900_000_000, "": 35_000_000}  # bytes, where the lock has none


@dataclass(frozen=True)
class LockedFile:
    """A file to download. `sha256` is "" where only the index's page, `page`, can tell it."""

    name: str
    url: str
    sha256: str
    size: int  # bytes, 0 where unknown
    guess: int = 0  # bytes to expect then

    @property
    def page(self) -> str:
        """Return the address of the index's page that lists this file."""
        return self.url.rpartition("/")[0] + "/"

    @property
    def expected(self) -> int:
        """Return its size in bytes, as far as it is known."""
        return self.size or self.guess


@dataclass(frozen=True)
class _Wheel:
    which: str
    variant: str
    pythons: frozenset[str]
    file: LockedFile


@dataclass(frozen=True)
class EngineLock:
    """What the lock says for one platform."""

    platform: str
    uv: LockedFile
    python: LockedFile
    python_version: str
    wheels: tuple[_Wheel, ...]

    def pythons(self, variant: str, sets: Sequence[str] = ("engine",)) -> set[str]:
        """Return the versions of Python, such as 3.12, for which all of it is locked."""
        every = {python for wheel in self.wheels for python in wheel.pythons}
        with_torch = {p for p in every if any(w.name.startswith("torch-") for w in self.files(p, variant))}
        for which in sets:
            with_torch &= {p for wheel in self.wheels if wheel.which == which for p in wheel.pythons}
        return with_torch

    def variants(self) -> list[str]:
        """Return which of cpu and cuda there are."""
        special = {wheel.variant for wheel in self.wheels}
        return [v for v in ("cpu", "cuda") if (v == "cpu" or v in special) and self.pythons(v)]

    def files(self, python: str, variant: str, sets: Sequence[str] = ("engine",)) -> list[LockedFile]:
        """Return the wheels of an engine for this Python."""
        return [
            wheel.file
            for wheel in self.wheels
            if wheel.which in sets and python in wheel.pythons and wheel.variant in ("any", variant)
        ]


def read_lock(platform: str, folder: Path = FOLDER) -> EngineLock:
    """Read the lock of a platform.

    Raises:
        InstallProblem: there is none, or it is damaged.
    """
    path = folder / f"{platform}.txt"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InstallProblem(_unknown(platform)) from None
    except (OSError, ValueError):
        raise InstallProblem(_damaged(path)) from None
    wheels, tools = [], {}
    try:
        for line in text.splitlines():
            words = line.split(" ")
            if words[0] in _SETS:
                which, variant, pythons, *rest = words
                checksum, size, url = rest
                file = _file(checksum, size, url, _GUESSED[variant if variant in _GUESSED else ""])
                wheels.append(_Wheel(which, variant, frozenset(pythons.split(",")), file))
            elif words[0] in ("uv", "python"):
                tools[words[0]] = words[1], _file(words[2], words[3], words[4], _GUESSED[""])
        lock = EngineLock(platform, tools["uv"][1], tools["python"][1], tools["python"][0], tuple(wheels))
    except (ValueError, LookupError):
        raise InstallProblem(_damaged(path)) from None
    if not (lock.wheels and lock.uv.sha256 and lock.python.sha256):
        raise InstallProblem(_damaged(path))
    return lock


def digest(files: Sequence[LockedFile]) -> str:
    """Return what changes when an engine's files do."""
    return hashlib.sha256("\n".join(sorted(file.name for file in files)).encode()).hexdigest()[:16]


def _file(checksum: str, size: str, url: str, guess: int) -> LockedFile:
    name = unquote(url.rpartition("/")[2])
    if not name or set(name) & set("\\:") or (checksum != _OPEN and len(bytes.fromhex(checksum)) != 32):
        raise ValueError
    known = "" if checksum == _OPEN else checksum
    return LockedFile(name, url, known, 0 if size == _OPEN else int(size), guess)


def _unknown(platform: str) -> str:
    if platform == "macos-x86_64":
        return tr(
            "There is no PyTorch for Macs with Intel processors any more: the engine needs Apple silicon, "
            "and a QGIS for it."
        )
    return tr("There is no engine for this kind of machine ({}).").format(platform)


def _damaged(path: Path) -> str:
    return tr("{} is damaged: install the plugin again.").format(path)
