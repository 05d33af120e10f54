"""How an error ends a command: its sentence on standard error, its traceback in the log, its status."""

from __future__ import annotations

import os
import sys

from engine.commands.debug_log import with_log
from engine.commands.explain import exit_status, explain, says_all
from engine.commands.signals import Ended, say

PIPE_CLOSED = 141  # as a shell tells of a program that wrote to a pipe that nobody reads any more


def status_of(error: BaseException, debug: bool = False) -> int:
    """Tell the user of an error; return the exit status that it means."""
    if isinstance(error, OSError):
        _drop_output()
    if isinstance(error, BrokenPipeError):  # whoever read the output has heard enough
        return PIPE_CLOSED
    if isinstance(error, Ended):
        say("The run was cancelled.")
        return error.status
    told = explain(error)
    sentence = told["message"]
    if debug:
        print(told["detail"], end="", file=sys.stderr)
    elif not says_all(error):
        sentence = with_log(sentence, told["detail"])
    print(sentence, file=sys.stderr)
    return exit_status(told["kind"])


def _drop_output() -> None:
    """Leave what standard output still holds: Python would try to write it once more, and complain."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)
