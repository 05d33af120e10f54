"""`training.train` on the small archive of the tests: what torchrun starts in each process."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from conftest import make_archive

from training.console.command import main
from training.data.readers import READERS
from training.train import run

READERS["small"] = lambda factor: make_archive()

if __name__ == "__main__":
    main(run)
