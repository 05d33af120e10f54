"""A figure as a file: the old one or the whole new one, and the figure closed in any case."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def save(figure: Any, path: Path, dpi: int) -> None:
    """Write a matplotlib figure as PNG and close it; the folder is made if it is not there."""
    from matplotlib import pyplot

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part.png")
    try:
        figure.savefig(temporary, dpi=dpi)
        temporary.replace(path)
    finally:
        pyplot.close(figure)
        temporary.unlink(missing_ok=True)
