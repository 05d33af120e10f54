"""A folder of runs that workers on other machines may have too, on a shared disk, or may not."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.files.atomic import write_text

MARK = ".shared"  # a file in it, whose words tell it from folders of the same path elsewhere


class SharedFolder:
    """A folder as it is told to workers; made where it is not there.

    Args:
        path: of the folder here.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.path.mkdir(parents=True, exist_ok=True)
        mark = self.path / MARK
        if not mark.is_file():
            write_text(mark, uuid.uuid4().hex)
        self._words = mark.read_text(encoding="utf-8")

    @property
    def is_seen(self) -> bool:
        """Whether this process sees that very folder."""
        try:
            return (self.path / MARK).read_text(encoding="utf-8") == self._words
        except OSError:
            return False

    @contextmanager
    def at_work(self) -> Iterator[Path]:
        """Give the folder, or one of this process's own for a while where that is not seen."""
        if self.is_seen:
            yield self.path
            return
        with tempfile.TemporaryDirectory(prefix="msr-run-") as own:
            yield Path(own)
