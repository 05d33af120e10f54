"""A store that is damaged, half written or replaced is refused by name, whatever its library makes of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from engine.broken_packages import broken_package
from engine.compute.memory import is_out_of_memory
from engine.errors import EngineError, InputError
from engine.files.system_errors import system_reason

StoreState = tuple[tuple[int, int, int], ...]
_HEADS = "zarr.json", ".zgroup"  # of formats 3 and 2


@contextmanager
def whole_store(path: str) -> Iterator[None]:
    """Read a store inside; what fails there is the store's.

    Raises:
        InputError: the store is damaged, half written or may not be read.
    """
    try:
        yield
    except EngineError:
        raise
    except Exception as error:  # zarr and its codecs raise anything
        if is_out_of_memory(error) or broken_package(error):  # not the store's fault
            raise
        if isinstance(error, OSError) and error.errno:
            raise InputError(f"data.options.path: {path} cannot be read: {system_reason(error)}.") from error
        raise InputError(
            f"data.options.path: the store {path} is damaged or only half written: make it again with "
            "training.prepare --overwrite."
        ) from error


class StoreArray:
    """An array of a store that is read later, and only while the store is the one that was opened.

    Args:
        array: Zarr's.
        store: its folder.
        opened: `store_state` when it was opened.
    """

    def __init__(self, array: Any, store: str, opened: StoreState) -> None:
        self._array, self._store, self._opened = array, store, opened
        self.shape, self.dtype = tuple(array.shape), array.dtype
        self.store_path = str(getattr(array, "store_path", store))

    def __getitem__(self, key: Any) -> Any:
        """Read.

        Raises:
            InputError: another store has taken its place, or it is gone: chunks that are not there would be
                missing cells, those of another store other data.
        """
        same_store(self._store, self._opened)
        values = self._array[key]
        same_store(self._store, self._opened)
        return values


def store_state(store: str) -> StoreState:
    """Return what is another where another store takes the place of one: its folder's and its head's."""
    states: list[tuple[int, int, int]] = []
    for path in (store, *(os.path.join(store, head) for head in _HEADS)):
        try:
            state = os.stat(path)
        except OSError:
            continue
        # A folder's own time changes with what is put beside the arrays.
        states.append((state.st_dev, state.st_ino, 0 if path == store else state.st_mtime_ns))
    return tuple(states)


def same_store(store: str, opened: StoreState) -> None:
    """Refuse to go on with a store that is no longer what was opened.

    Raises:
        InputError: it is not.
    """
    if store_state(store) != opened:
        raise InputError(
            f"data.options.path: the store {store} was made anew or taken away while it was read. What was "
            f"read of it is of no use: start again, and let a store be while anything reads it."
        )
