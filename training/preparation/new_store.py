"""A store takes its name only when it is whole."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from engine.errors import InputError


@contextmanager
def new_store(final: Path, overwrite: bool) -> Iterator[Path]:
    """Give a temporary path beside `final`, which takes its name in the end; after an error nothing is left.

    What a run that was killed left behind is removed.

    Raises:
        InputError: something is there already, and must not be overwritten.
    """
    if final.exists() and not overwrite:
        raise InputError(f"{final} is there already: choose another --output, or say --overwrite.")
    final.parent.mkdir(parents=True, exist_ok=True)
    for old in final.parent.glob(f".{final.name}.*.part"):
        number = re.search(r"\.(\d+)\.part$", old.name)
        if number and not psutil.pid_exists(int(number[1])):
            shutil.rmtree(old, ignore_errors=True)
    part = final.with_name(f".{final.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        yield part
        old = final.with_name(f".{final.name}.old.{os.getpid()}.part")
        if final.exists():
            os.replace(final, old)
        os.replace(part, final)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(part, ignore_errors=True)
