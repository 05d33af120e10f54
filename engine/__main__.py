"""`python -m engine`: the command line. Exit status 0 done, 2 wrong input, 1 failure, 130 cancelled."""

from __future__ import annotations

import sys

from engine.commands.cli import main
from engine.commands.ending import status_of
from engine.commands.library_words import part_from_libraries
from engine.commands.signals import heed_signals
from engine.compute.allocator import keep_freed_memory
from engine.files.partial_files import discard_all
from engine.raster.gdal.gdal_variables import scrub

if __name__ == "__main__":
    try:
        scrub()
        keep_freed_memory()
        if sys.argv[1:2] != ["worker"]:  # whose standard error is a log
            part_from_libraries()
        heed_signals(lambda: discard_all(finished=True))
        status = main(sys.argv[1:])
    except KeyboardInterrupt as interrupt:
        status = status_of(interrupt)
    sys.exit(status)
