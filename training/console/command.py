"""What the commands of this room share: how an error ends them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from engine.commands import ending
from engine.commands.library_words import hush_libraries, part_from_libraries
from engine.commands.signals import Ended, heed_signals, say, status_of_signal
from engine.compute.allocator import keep_freed_memory
from engine.raster.gdal.gdal_variables import scrub

DEBUG = "MSR_DEBUG"  # set to anything: show the tracebacks of errors


def main(run: Callable[[], int]) -> None:
    """Run a command and exit: 2 for wrong input, 1 for failure, the sentence on standard error.

    Ctrl-C, SIGTERM and SIGHUP end it with 128 and the signal's number, temporary files removed.
    """

    def prepared() -> int:
        scrub()
        keep_freed_memory()
        heed_signals()
        hush_libraries()
        part_from_libraries()
        return run()

    sys.exit(status_of(prepared))


def status_of(run: Callable[[], int]) -> int:
    """Run a command; return its exit status, an error's sentence told on standard error."""
    try:
        status = run()
        sys.stdout.flush()
        return status
    except KeyboardInterrupt as interrupt:
        say("Stopped.")
        return interrupt.status if isinstance(interrupt, Ended) else 130
    except Exception as error:
        stopped = status_of_signal()
        if stopped is not None:
            say("Stopped.")
            return stopped
        return ending.status_of(error, bool(os.environ.get(DEBUG)))
