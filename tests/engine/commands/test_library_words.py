"""A library's words do not stand beside the sentence of a command."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from engine.files.root import ROOT

PROGRAM = """
import asyncio, logging, os, sys, warnings
from engine.commands.library_words import hush_libraries, part_from_libraries
if sys.argv[1] == "hushed":
    hush_libraries()
    part_from_libraries()
os.write(2, b"a library's words")
logging.getLogger("rasterio._env").error("_tiffWriteProc: File too large.")
warnings.warn("coroutine 'open_group' was never awaited", RuntimeWarning)
async def fails():
    raise OSError(24, "Too many open files")
async def leaves_behind():
    asyncio.create_task(fails())
    await asyncio.sleep(0.01)
asyncio.run(leaves_behind())
print("a sentence, é.", file=sys.stderr)
"""


def said(how: str) -> str:
    """Return what a program writes to standard error."""
    command = [sys.executable, "-s", "-c", PROGRAM, how]
    return subprocess.run(command, capture_output=True, check=True, cwd=ROOT, encoding="utf-8").stderr


def test_what_gdal_and_zarr_say_is_not_heard() -> None:
    heard = said("as it is")
    assert "_tiffWriteProc" in heard and "never awaited" in heard and "a library's words" in heard
    assert "Task exception was never retrieved" in heard
    assert said("hushed") == "a sentence, é.\n"


@pytest.mark.parametrize("driver", ["PNG", "JPEG", "GTiff"])
def test_a_raster_without_a_place_is_told_of_once(tmp_path: Path, driver: str) -> None:
    target = tmp_path / f"photo.{driver.lower()}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(target, "w", driver=driver, width=9, height=8, count=1, dtype="uint8") as file:
            file.write(np.arange(72, dtype=np.uint8).reshape(1, 8, 9))
    assert refusal(target) == (
        f"target: {target} is not georeferenced: give it its place first, for instance with gdal_edit.py "
        "-a_ullr and -a_srs.\n"
    )


def test_hdf5_without_axes_is_told_of_once(tmp_path: Path) -> None:
    target = tmp_path / "bare.h5"
    with netCDF4.Dataset(target, "w") as file:
        file.createDimension("a", 8)
        file.createDimension("b", 9)
        file.createVariable("v", "f4", ("a", "b"))[:] = 1
    told = refusal(target)
    assert told.startswith(f"target: {target} has no axes that say where its cells lie")
    assert told.count("\n") == 1


def refusal(target: Path) -> str:
    """Return what a run says on standard error of a target that it refuses."""
    given = [
        "--model",
        "bilinear",
        "--factor",
        "2",
        "--target",
        target,
        "--output",
        target.with_name("o.tif"),
    ]
    command = [sys.executable, "-s", "-m", "engine", "super-resolve", *map(str, given)]
    done = subprocess.run(command, capture_output=True, check=False, cwd=ROOT, encoding="utf-8")
    assert done.returncode == 2
    return done.stderr
