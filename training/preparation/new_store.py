"""A store takes its name only when it is whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import InputError
from engine.files.atomic import new_folder
from training.console.kept_inputs import check_replaceable
from training.console.sole_writer import sole_writer


@contextmanager
def new_store(final: Path, overwrite: bool) -> Iterator[Path]:
    """Give a temporary path beside `final`, which takes its name in the end; after an error nothing is left.

    What a run that was killed left behind is removed.

    Raises:
        InputError: something is there already, and must not be overwritten, or another process writes it.
    """
    if final.exists() and not overwrite:
        raise InputError(f"{final} is there already: choose another --output, or say --overwrite.")
    check_replaceable(final, ".zgroup", "store")
    with sole_writer(final, "writing"), new_folder(final) as fresh:
        yield fresh
