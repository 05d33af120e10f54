"""Run algorithms of this checkout in QGIS without a window, in a QGIS profile of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess  # nosec B404: QGIS is a program of its own; argument list, no shell
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import EngineError, InputError
from engine.files.root import ROOT

_FOREIGN = ("PYTHON", "GDAL_", "PROJ_", "QT_", "QGIS_", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
_SECONDS = 1800


def make_profile(folder: Path) -> dict[str, str]:
    """Make a QGIS profile in `folder` in which this checkout is an enabled plugin.

    The plugin's setting names the interpreter that runs this program.

    Returns:
        The environment in which QGIS uses that profile.
    """
    profile = folder / "profiles" / "default"
    plugins = profile / "python" / "plugins"
    settings = profile / "QGIS" / "QGIS3.ini"
    plugins.mkdir(parents=True, exist_ok=True)
    settings.parent.mkdir(parents=True, exist_ok=True)
    link = plugins / "msr"
    if link.is_symlink():
        link.unlink()
    link.symlink_to(ROOT, target_is_directory=True)
    settings.write_text(
        f"[PythonPlugins]\nmsr=true\n\n[msr]\nengine_python={_interpreter()}\n", encoding="utf-8"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
    return environment | {"QGIS_CUSTOM_CONFIG_PATH": str(folder), "QT_QPA_PLATFORM": "offscreen"}


def run_algorithm(id: str, parameters: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, Any]:
    """Run `qgis_process run ID` and return the algorithm's outputs.

    Raises:
        InputError: there is no qgis_process.
        EngineError: the run failed; the message holds what QGIS said.
    """
    program = shutil.which("qgis_process.bin") or shutil.which("qgis_process")
    if program is None:
        raise InputError("qgis_process was not found: install QGIS, or let ./dev do it.")
    command = [program, "--json", "run", id, "--", *(f"{k}={v}" for k, v in parameters.items())]
    try:
        done = subprocess.run(  # nosec B603: no shell; qgis_process from PATH
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"{id} did not end within {_SECONDS // 60} minutes.") from error
    outputs = _outputs(done.stdout)
    if done.returncode or outputs is None:
        said = "\n".join(line for line in (done.stderr or done.stdout).splitlines() if line.strip())
        raise EngineError(f"qgis_process ended with status {done.returncode} for {id}:\n{said[-3000:]}")
    return outputs


def _interpreter() -> str:
    """Return this interpreter as it was started: resolving the link would leave its environment."""
    return str(Path(sys.executable).absolute())


def _outputs(text: str) -> dict[str, Any] | None:
    """Return "results" of the JSON object in what qgis_process printed; plugins may print before it."""
    start = text.find("\n{") + 1
    try:
        answer, _ = json.JSONDecoder().raw_decode(text[start:])
    except ValueError:
        return None
    return answer.get("results")
