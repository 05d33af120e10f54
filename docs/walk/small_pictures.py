"""The documents' pictures of a walk: few colours, so that they stay small."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

# Picture of the documents: that of the walk.
PICTURES = {
    "install": "install_dialog",
    "finer": "finer_dialog",
    "finer_result": "finer_map",
    "time": "playing_2021-04",
    "train": "own_model",
    "evaluate": "evaluate_dialog",
}
MOST_BYTES = 150_000
COLOURS = (256, 192, 128)  # fewer would change those of a legend


def make_small(walk: Path, files: Sequence[Path]) -> list[Path]:
    """Write pictures of the documents from those of a walk; return their files.

    Args:
        walk: folder of the walk's pictures.
        files: to write; their stems are on the list `PICTURES`.

    Raises:
        KeyError: one is not.
        ValueError: one stays larger than `MOST_BYTES`.
    """
    return [_small(walk / f"{PICTURES[file.stem]}.png", file) for file in files]


def _small(source: Path, target: Path) -> Path:
    for colours in COLOURS:
        options = ["-strip", "+dither", "-colors", str(colours), "-define", "png:compression-level=9"]
        subprocess.run(["convert", str(source), *options, f"png8:{target}"], check=True)
        if target.stat().st_size < MOST_BYTES:
            return target
    raise ValueError(f"{target} has {target.stat().st_size} bytes, more than {MOST_BYTES}.")
