"""Where the tracebacks of failures are kept that nobody expected; what the user reads names the file."""

from __future__ import annotations

import contextlib
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from engine.compute.cache import cache_folder
from engine.raster.cloud.told_address import scrubbed
from engine.version import VERSION

FILE = "errors.log"
LARGEST = 1_000_000  # bytes; then it begins anew


def keep(detail: str) -> Path | None:
    """Add a traceback to the log; return its file, None where no folder takes one."""
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    head = (
        f"--- {now} MSR {VERSION}, Python {platform.python_version()}, {sys.platform}: {' '.join(sys.argv)}"
    )
    text = scrubbed(f"{head}\n{detail.rstrip()}\n").encode("utf-8", "replace")
    for folder in _folders():
        path = folder / FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            fresh = not path.is_file() or path.stat().st_size > LARGEST
            with path.open("wb" if fresh else "ab") as log:
                log.write(text)
        except (OSError, RuntimeError):
            continue
        return path
    return None


def with_log(sentence: str, detail: str) -> str:
    """Keep the detail, and say at the sentence's end where."""
    path = keep(detail)
    return sentence if path is None else f"{sentence.rstrip('.')} (details in {path})."


def _folders() -> Iterator[Path]:
    with contextlib.suppress(RuntimeError):  # there is no home folder
        yield cache_folder()
    with contextlib.suppress(OSError):  # there is no temporary folder either
        yield Path(tempfile.gettempdir()) / "msr"
