"""Where a job works: in its folder, followed by the worker's parent, what it prints handed on as a log."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from engine.commands.library_words import hush_libraries
from engine.feedback import Feedback
from engine.files.system_errors import told_of
from training.console.followed import FollowedWork, LossCurve, following


class LogLines(io.TextIOBase):
    """A text stream whose lines become messages of a job's log."""

    def __init__(self, feedback: Feedback, level: str) -> None:
        super().__init__()
        self._feedback, self._level, self._rest = feedback, level, ""

    def writable(self) -> bool:
        """Return that it may be written."""
        return True

    def write(self, text: str) -> int:
        """Take text in, and pass on each line that is whole.

        Raises:
            Cancelled: whoever follows wants no more of it.
        """
        *lines, self._rest = (self._rest + text).replace("\r", "\n").split("\n")
        for line in lines:
            if line.strip():
                self._feedback.log(line.rstrip(), self._level)
                self._feedback.check_cancelled()
        return len(text)


@contextmanager
def workplace(
    folder: str,
    feedback: Feedback,
    doubts: bool = False,
    watch: Callable[[list[LossCurve]], None] = lambda curves: None,
) -> Iterator[FollowedWork]:
    """Work in a folder, which is made where it is not there.

    Args:
        folder: absolute; relative paths start from it, those inside of configurations too.
        feedback: is told all that is printed.
        doubts: what is printed to standard error are warnings, not news.
        watch: see `FollowedWork`.
    """
    place, threads, before = Path(folder), torch.get_num_threads(), os.getcwd()
    with told_of(place):
        place.mkdir(parents=True, exist_ok=True)
        os.chdir(place)
    hush_libraries()
    out, error = LogLines(feedback, "info"), LogLines(feedback, "warning" if doubts else "info")
    try:
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(error),
            following(FollowedWork(feedback, watch)) as work,
        ):
            yield work
    finally:
        os.chdir(before)
        torch.set_num_threads(threads)
