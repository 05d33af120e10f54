"""Gives a run's store its place among the run's files, as other writers do theirs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from engine.cluster.part_store import add_attributes, remove_leftovers
from engine.files.partial_files import discard, discard_stale, partial_path


class StoreWriter:
    """A store that tasks have filled, on its way to its final name.

    Args:
        store: its folder.
        path: the final name.
        cut: writes the output's part to another folder, where the store reaches beyond; None: it is whole.
    """

    def __init__(
        self, store: Path, path: Path, cut: Callable[[Path, Callable[[], None]], None] | None
    ) -> None:
        self.store, self.path = store, path
        self.made: Path | None = None
        self._cut = cut
        self._own: Path | None = None
        self._tags: Mapping[str, Any] = {}

    def __enter__(self) -> StoreWriter:
        discard_stale(self.path)
        return self

    def set_tags(self, **tags: Any) -> None:
        """Add attributes that are known only after the cells."""
        self._tags = tags

    def convert(self, check: Callable[[], None] = lambda: None) -> None:
        """Make the store that gets the final name.

        Args:
            check: called between pieces; raises to stop.
        """
        elsewhere = os.stat(self.store).st_dev != os.stat(self.path.parent).st_dev
        if self._cut is not None or elsewhere:
            self._own = partial_path(self.path)
            if self._cut is not None:
                self._cut(self._own, check)
            else:
                shutil.copytree(self.store, self._own)
        self.made = self._own or self.store
        remove_leftovers(self.made)
        add_attributes(self.made, self._tags)

    @property
    def whole(self) -> Path | None:
        """The store with all cells, once `convert` is done."""
        return self.made

    def abandon(self) -> None:
        """Remove what was made beside the run's own store."""
        if self._own is not None:
            discard(self._own)
