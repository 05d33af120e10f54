"""A store that is damaged or half written is refused by its name, whatever its library makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from engine.broken_packages import broken_package
from engine.compute.memory import is_out_of_memory
from engine.errors import EngineError, InputError
from engine.files.system_errors import system_reason


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
