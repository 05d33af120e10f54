"""`python -m engine`: the command line. Exit status 0 done, 2 wrong input, 1 failure, 130 cancelled."""

from __future__ import annotations

import os
import sys

from engine.commands.cli import main
from engine.compute.allocator import keep_freed_memory

# GDAL would take a share of the machine's memory, and reads this once, at its first use.
os.environ.setdefault("GDAL_CACHEMAX", "128")

if __name__ == "__main__":
    keep_freed_memory()
    sys.exit(main(sys.argv[1:]))
