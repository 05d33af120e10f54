"""A figure as a file: the old one or the whole new one, and the figure closed in any case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.files.atomic import new_file


def save(figure: Any, path: Path, dpi: int) -> None:
    """Write a matplotlib figure as PNG and close it; the folder is made if it is not there."""
    from matplotlib import pyplot

    try:
        with new_file(path, ".png") as fresh:
            figure.savefig(fresh, dpi=dpi)
    finally:
        pyplot.close(figure)
