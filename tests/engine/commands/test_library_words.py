"""A library's words do not stand beside the sentence of a command."""

from __future__ import annotations

import subprocess
import sys

from engine.files.root import ROOT

PROGRAM = """
import logging, os, sys, warnings
from engine.commands.library_words import hush_libraries, part_from_libraries
if sys.argv[1] == "hushed":
    hush_libraries()
    part_from_libraries()
os.write(2, b"a library's words")
logging.getLogger("rasterio._env").error("_tiffWriteProc: File too large.")
warnings.warn("coroutine 'open_group' was never awaited", RuntimeWarning)
print("a sentence, é.", file=sys.stderr)
"""


def said(how: str) -> str:
    """Return what a program writes to standard error."""
    command = [sys.executable, "-s", "-c", PROGRAM, how]
    return subprocess.run(command, capture_output=True, check=True, cwd=ROOT, encoding="utf-8").stderr


def test_what_gdal_and_zarr_say_is_not_heard() -> None:
    heard = said("as it is")
    assert "_tiffWriteProc" in heard and "never awaited" in heard and "a library's words" in heard
    assert said("hushed") == "a sentence, é.\n"
