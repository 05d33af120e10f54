"""A data set as each worker of a cluster reads it: by the same path, with its share of the memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from engine.compute.memory import system_memory
from engine.errors import InputError
from training.data.archive import Archive
from training.data.readers import load_archive
from training.data.store import SHARE
from training.schema.config import Config


@dataclass
class WorkerArchive:
    """What a worker reads when it is first asked.

    Attributes:
        config: whose data set it is.
        folder: that relative paths start from.
        processes: that share the memory of a machine.
    """

    config: Config
    folder: str = field(default_factory=os.getcwd)
    processes: int = 1
    _read: Archive | None = field(default=None, init=False, repr=False)
    _relative: str = field(default="", init=False, repr=False)  # a path beside the data set's

    def __post_init__(self) -> None:
        ensemble = self.config.ensemble
        about = None if ensemble is None else ensemble.about
        for name in (self.config.start_from, about, self.config.domain):
            if name and not os.path.isabs(name) and os.path.exists(os.path.join(self.folder, name)):
                self._relative = name  # and no id

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what was read: a worker reads by itself."""
        return {**self.__dict__, "_read": None}

    def get(self) -> Archive:
        """Return the archive, read once.

        Raises:
            InputError: as `training.data.readers.load_archive`.
        """
        if self._read is None:
            data = self.config.data
            options = dict(data.options)
            if "path" in options:
                options["path"] = os.path.join(self.folder, str(options["path"]))
            if data.name == "store" and options.get("memory_gib") is None:
                options["memory_gib"] = SHARE * system_memory() / 2**30 / self.processes
            read = data.model_copy(update={"options": options})
            self._read = load_archive(self.config.model_copy(update={"data": read}))
        return self._read

    @contextmanager
    def at_home(self) -> Iterator[None]:
        """Work in the folder that the command was started in, from which the configuration's paths start.

        The folder is the process's: to be entered by one task at a time.

        Raises:
            InputError: this machine has no such folder, and the configuration such a path.
        """
        before = os.getcwd()
        if os.path.isdir(self.folder):
            os.chdir(self.folder)
        elif self._relative:
            raise InputError(
                f"A worker does not see the folder {self.folder}, from which the configuration's path "
                f"{self._relative} starts: give it from the root of a disk that all machines share."
            )
        try:
            yield
        finally:
            os.chdir(before)

    def forget(self) -> None:
        """Let go of it."""
        self._read = None
