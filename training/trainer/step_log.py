"""A run's log: a line of JSON for each step."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from engine.files.atomic import write_text
from engine.files.system_errors import told_of


@contextmanager
def opened(log: Path) -> Iterator[TextIO]:
    """Open a log to add lines to; what the system refuses meanwhile is told under its name."""
    with told_of(log), open(log, "a", encoding="utf-8") as file:
        yield file


def truncate(log: Path, step: int) -> None:
    """Drop the lines after a step: they are written again."""
    if not log.is_file():
        return
    kept = []
    for line in log.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except ValueError:
            break  # the killed run's last, broken line
    write_text(log, "".join(f"{line}\n" for line in kept))
