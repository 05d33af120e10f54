"""`python -m training.worker`: the engine's worker with the jobs of training, for a parent process.

The protocol is the engine's (docs/protocol.md). It is a process of its own, so that the engine's worker goes
on serving while a model is trained.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from engine.commands.options import Parser, number
from engine.commands.worker import main as serve
from engine.compute.allocator import keep_freed_memory
from engine.contract import IDLE_SECONDS
from engine.raster.gdal.gdal_variables import scrub
from training.jobs.listing import GRACE, JOBS


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(
        prog="python -m training.worker", description="Serve QGIS: JSON lines, as the engine does."
    )
    parser.add_argument("--host-version", metavar="V", help="the plugin's version; another one is refused")
    parser.add_argument(
        "--idle-seconds",
        type=number(0),
        default=float(IDLE_SECONDS),
        metavar="S",
        help=f"end after so long without a run ({IDLE_SECONDS})",
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve a parent over standard input and output; returns only when it refuses the parent."""
    options = options_of(arguments)
    scrub()
    keep_freed_memory()
    return serve(options.host_version, options.idle_seconds, JOBS, GRACE)


if __name__ == "__main__":
    sys.exit(main())
