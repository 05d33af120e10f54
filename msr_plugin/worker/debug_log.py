"""Where tracebacks are kept; QGIS' own log gets the sentence alone, which says where the rest is."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from ..folders import profile_folder
from ..metadata import plugin_version
from ..translation import tr

FILE = "errors.log"
LARGEST = 1_000_000  # bytes; then it begins anew


def keep(detail: str) -> Path | None:
    """Add a traceback to the log; return its file, None where it cannot be written."""
    path = profile_folder() / FILE
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    text = f"--- {now} MSR {plugin_version()}, QGIS' Python {sys.version.split()[0]}, {sys.platform}\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = not path.is_file() or path.stat().st_size > LARGEST
        with path.open("wb" if fresh else "ab") as log:
            log.write(f"{text}{detail.rstrip()}\n".encode("utf-8", "replace"))
    except OSError:
        return None
    return path


def with_log(sentence: str, detail: str) -> str:
    """Keep the detail, if there is any, and say at the sentence's end where."""
    path = keep(detail) if detail.strip() else None
    return sentence if path is None else tr("{} (details in {}).").format(sentence.rstrip("."), path)
