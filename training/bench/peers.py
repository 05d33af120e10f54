"""DL4DS's default network on the same rasters and threads, where it can be installed.

DL4DS: González-Gómez et al., "DL4DS: Deep Learning for empirical DownScaling", Environmental Data Science 2
(2023). Its trainer's defaults: residual blocks, eight filters, pixel shuffle.
"""

from __future__ import annotations

import json
import subprocess  # nosec B404: another environment's Python; argument list, no shell
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.files.root import ROOT

_DL4DS = "dl4ds==1.8.0"  # by itself: it asks for packages that cannot be had, and does not use them here
_PROGRAM = Path(__file__).with_name("peer_program.py")


def peer_python(folder: Path) -> Path:
    """Return the Python of an environment with DL4DS, made in `folder` if it is not there.

    Raises:
        EngineError: it cannot be made here.
    """
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    stamp = folder / ".whole"
    if stamp.is_file():
        return python
    steps = [
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(python), "-m", "pip", "install", "-q", "-r", str(ROOT / "requirements-peers.txt")],
        [str(python), "-m", "pip", "install", "-q", "--no-deps", _DL4DS],
    ]
    for step in steps:
        done = subprocess.run(  # nosec B603: no shell
            step, stdout=sys.stderr, stderr=subprocess.PIPE, text=True, check=False
        )
        if done.returncode:
            raise EngineError(
                f"DL4DS cannot be installed here ({' '.join(step[1:4])} ended with status "
                f"{done.returncode}): run the bench without --peers."
            )
    stamp.write_text("", encoding="utf-8")
    return python


def measure_peer(
    python: Path, rasters: Mapping[str, Path], coarse: list[str], fine: list[str], job: Mapping[str, Any]
) -> dict[str, float]:
    """Return Mpixel/s of DL4DS's network, bare and from files to a file, and its number of parameters.

    Args:
        python: from `peer_python`.
        rasters: paths by name.
        coarse, fine: names of the coarse and fine rasters that it gets, one band each.
        job: factor, cells along a tile, threads, seconds, output.

    Raises:
        EngineError: it failed.
    """
    paths = {"coarse": [str(rasters[n]) for n in coarse], "fine": [str(rasters[n]) for n in fine]}
    done = subprocess.run(  # nosec B603: no shell
        [str(python), str(_PROGRAM)],
        input=json.dumps({**job, **paths}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise EngineError("DL4DS was installed but its network did not run: run the bench without --peers.")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures
