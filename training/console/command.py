"""What the commands of this room share: how an error ends them."""

from __future__ import annotations

import sys
from collections.abc import Callable

from engine.compute.allocator import keep_freed_memory
from engine.errors import EngineError


def main(run: Callable[[], int]) -> None:
    """Run a command and exit: 2 for wrong input, 1 for failure, the sentence on standard error."""
    keep_freed_memory()
    try:
        sys.exit(run())
    except EngineError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        sys.exit(130)
