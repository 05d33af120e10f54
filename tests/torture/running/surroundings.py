"""The environment of every process of the torture, and the folders of one case."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_KEPT = ("PATH", "LANG", "SYSTEMROOT")


@dataclass(frozen=True)
class Folders:
    """Where one case reads and writes."""

    case: Path

    @property
    def inputs(self) -> Path:
        """What must not change."""
        return self.case / "in"

    @property
    def outputs(self) -> Path:
        """Where outputs go: nothing else may stay there."""
        return self.case / "out"

    @property
    def temporary(self) -> Path:
        """TMPDIR: must be empty in the end."""
        return self.case / "tmp"

    @property
    def cache(self) -> Path:
        """MSR_CACHE: whole files only."""
        return self.case / "cache"

    def make(self) -> Folders:
        """Make them all."""
        for folder in (self.inputs, self.outputs, self.temporary, self.cache):
            folder.mkdir(parents=True, exist_ok=True)
        return self


def environment(temporary: Path, cache: Path, changes: dict[str, str | None] | None = None) -> dict[str, str]:
    """Return a small environment of one's own, with changes; None takes a variable away."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    kept |= {
        "HOME": str(temporary.parent),
        "TMPDIR": str(temporary),
        "MSR_CACHE": str(cache),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONUTF8": "1",
        "OMP_NUM_THREADS": "1",
    }
    for name, value in (changes or {}).items():
        if value is None:
            kept.pop(name, None)
        else:
            kept[name] = value
    return kept
