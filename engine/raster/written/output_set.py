"""The files of one run: they appear together or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from engine.raster.written.publishing import publish


class FileWriter(Protocol):
    """Writes one file under a temporary name.

    Attributes:
        path: the final name.
        made: the whole file, once `convert` is done.
    """

    path: Path
    made: Path | None

    def __enter__(self) -> Any:
        """Get ready to write."""

    def set_tags(self, **tags: Any) -> None:
        """Add metadata that is known only after the cells."""

    def convert(self, check: Callable[[], None] = ...) -> None:
        """Make the whole file, still under a temporary name."""

    @property
    def whole(self) -> Path | None:
        """A file with all cells that the engine reads, once `convert` is done."""

    def abandon(self) -> None:
        """Remove every temporary file."""


class OutputSet:
    """Context manager of several outputs of one run, which appear together or not at all.

    Args:
        writers: one for each file, by what it holds.
        check: called between the files and within a NetCDF or Zarr; raises to stop.
        last: called with the whole files, still under temporary names; raises to have none of them.
        written: hears how many files are whole.
    """

    def __init__(
        self,
        writers: Mapping[str, FileWriter],
        check: Callable[[], None] = lambda: None,
        last: Callable[[Mapping[str, Path]], None] = lambda files: None,
        written: Callable[[int], None] = lambda files: None,
    ) -> None:
        self.writers, self._check, self._last, self._written = dict(writers), check, last, written

    def __enter__(self) -> OutputSet:
        try:
            for writer in self.writers.values():
                writer.__enter__()
        except BaseException:
            self._abandon()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                for number, writer in enumerate(self.writers.values(), start=1):
                    self._check()
                    writer.convert(self._check)
                    self._written(number)
                self._check()
                self._last({k: w.whole for k, w in self.writers.items() if w.whole is not None})
                self._check()
                publish([(w.made, w.path) for w in self.writers.values() if w.made is not None])
        finally:
            self._abandon()

    def _abandon(self) -> None:
        for writer in self.writers.values():
            writer.abandon()
