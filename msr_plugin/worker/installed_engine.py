"""Which engine *Install engine* made: a small file in the profile names it, replaced in one step."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from ..folders import profile_folder

FILE = "engine.json"


@dataclass(frozen=True)
class InstalledEngine:
    """An engine that the plugin made."""

    folder: str  # within `engines_folder()`
    python: str  # its interpreter, within that folder
    version: str  # of Python, such as 3.12
    variant: str  # cpu or cuda
    sets: tuple[str, ...]  # what it is for: engine, and training where it was asked for
    digest: str  # of the files that it was made of

    @property
    def interpreter(self) -> Path:
        """Return the absolute path of its Python."""
        return engines_folder() / self.folder / self.python


def engines_folder() -> Path:
    """Return the folder of the engines that the plugin makes; one is in use, others are being made."""
    return profile_folder() / "engines"


def installed_engine() -> InstalledEngine | None:
    """Return the engine in use, None where the plugin has made none."""
    try:
        entry = json.loads((profile_folder() / FILE).read_text(encoding="utf-8"))
        engine = InstalledEngine(**{**entry, "sets": tuple(entry["sets"])})
        texts = (engine.folder, engine.python, engine.version, engine.variant, engine.digest, *engine.sets)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if not all(isinstance(text, str) for text in texts) or Path(engine.folder).name != engine.folder:
        return None
    return engine


def use(engine: InstalledEngine) -> None:
    """Make this engine the one in use, in one step.

    Raises:
        OSError: it cannot be written; the one before stays in use.
    """
    path = profile_folder() / FILE
    fresh = path.with_name(f"{FILE}.{os.getpid()}.part")
    try:
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(asdict(engine), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink()


def drop_half_written() -> None:
    """Remove what a process that was killed in `use` has left of the file that names the engine."""
    for part in profile_folder().glob(f"{FILE}.*.part"):
        with contextlib.suppress(OSError):
            part.unlink()


def forget() -> None:
    """Let no engine that the plugin made be in use.

    Raises:
        OSError: the file cannot be removed.
    """
    with contextlib.suppress(FileNotFoundError):
        (profile_folder() / FILE).unlink()
