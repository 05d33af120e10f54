"""Which Python is the engine's, what it must not inherit from QGIS, and how to make one."""

from __future__ import annotations

import os
import platform
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import qgis.utils
from qgis.core import QgsSettings

from ..folders import ROOT, profile_folder
from ..translation import tr
from .installed_engine import installed_engine

SETTING = "msr/engine_python"
VARIABLE = "MSR_ENGINE_PYTHON"
USUAL = tr("its usual place")
PAGE = tr("Settings > Options > Super-resolution")

# QGIS sets these for its own Python, PROJ, GDAL and Qt; the engine has its own of each.
_SCRUBBED = (
    "PYTHON",
    "PROJ_",
    "GDAL_",
    "OGR_",
    "CPL_",
    "QGIS_",
    "QT_",
    "O4W_",
    "OSGEO4W_",
    "LD_LIBRARY_PATH",
    "DYLD_",
    "GISBASE",
    "VIRTUAL_ENV",
    "CONDA_",
)


# Variables that hold the user's folders.
_PLACES = ("MSR_MODELS", "MSR_CACHE")


@dataclass(frozen=True)
class Engine:
    """The interpreter found and where it was named."""

    python: Path
    origin: str

    @property
    def problem(self) -> str | None:
        """One sentence if this interpreter cannot be started, else None."""
        if is_store_stand_in(self.python):
            return tr(
                "The engine's Python, {} (from {}), is the Microsoft Store's stand-in, which only "
                "opens the Store: install Python from python.org."
            ).format(self.python, self.origin)
        if not self.python.is_file() and self.origin == USUAL:
            return tr("There is no engine yet: {} does not exist.").format(self.python)
        if not self.python.is_file():
            return tr("The engine's Python, {} (from {}), does not exist.").format(self.python, self.origin)
        if not os.access(self.python, os.X_OK):
            return tr("The engine's Python, {} (from {}), is not a program.").format(self.python, self.origin)
        return None


def default_python() -> Path:
    """Return the interpreter that *Install engine*, `./dev` or the two commands made, or would make."""
    installed = installed_engine()
    if installed is not None and installed.interpreter.is_file():
        return installed.interpreter
    folders = (ROOT / ".envs" / "engine", engine_folder(), *store_folders(engine_folder()))
    made = [venv_python(folder) for folder in folders]
    return next((python for python in made if python.is_file()), venv_python(engine_folder()))


def venv_python(folder: Path) -> Path:
    """Return the interpreter of a virtual environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def find_engine() -> Engine:
    """Return the engine's interpreter: the setting, else MSR_ENGINE_PYTHON, else the installed one."""
    setting = str(QgsSettings().value(SETTING, "") or "").strip()
    if setting:
        return Engine(_program(setting), tr("the plugin's setting"))
    variable = os.environ.get(VARIABLE, "").strip()
    if variable:
        return Engine(_program(variable), tr("the variable {}").format(VARIABLE))
    return Engine(default_python(), USUAL)


def _program(text: str) -> Path:
    """Return the absolute path; links are kept, an environment's interpreter is one."""
    return Path(os.path.abspath(os.path.expanduser(text)))


def is_store_stand_in(python: Path) -> bool:
    """Return whether a program is Windows' stand-in for Python, which opens the Store and runs nothing."""
    parts = [part.lower() for part in re.split(r"[\\/]", str(python))]
    try:
        return "windowsapps" in parts and os.path.lexists(python) and os.lstat(python).st_size == 0
    except OSError:
        return False


def store_folders(folder: Path) -> list[Path]:
    """Return where the Microsoft Store's Python really puts a folder that it is told to make in AppData."""
    roaming, local = os.environ.get("APPDATA", ""), os.environ.get("LOCALAPPDATA", "")
    if not (roaming and local and folder.is_relative_to(roaming)):
        return []
    packages = Path(local, "Packages").glob("PythonSoftwareFoundation.Python.3.*")
    return [package / "LocalCache" / "Roaming" / folder.relative_to(roaming) for package in sorted(packages)]


def commands(windows: bool = os.name == "nt") -> list[str]:
    """Return the two commands that make an environment for the engine, as a shell (PowerShell) takes them."""
    folder = engine_folder()
    requirements = ROOT / "requirements-engine.txt"
    if windows:  # “&”: PowerShell would only print a path in quotes; the command prompt takes none
        program = f"& {_powershell(folder / 'Scripts' / 'python.exe')}"
        return [
            f"py -3 -m venv {_powershell(folder)}",
            f"{program} -m pip install -r {_powershell(requirements)}",
        ]
    return [
        f"python3 -m venv {shlex.quote(str(folder))}",
        f"{shlex.quote(str(folder / 'bin' / 'python'))} -m pip install -r {shlex.quote(str(requirements))}",
    ]


def _powershell(path: Path) -> str:
    """Return a path in PowerShell's own quotes, in which nothing else has a meaning."""
    return "'" + str(path).replace("'", "''") + "'"


def engine_folder() -> Path:
    """Return the folder that the two commands fill.

    The checkout's own, or the profile's where the plugin's folder is replaced by updates.
    """
    if (ROOT / "dev").is_file():
        return ROOT / ".envs" / "engine"
    return profile_folder() / "engine"


def explain_missing(problem: str) -> str:
    """Return what to do about an engine that is not there: the button, or without a window the commands."""
    if sys.platform == "darwin" and platform.machine() == "x86_64":
        return tr(
            "{} (There is no PyTorch for Macs with Intel processors any more: the engine needs "
            "Apple silicon, and a QGIS and a Python for it.)"
        ).format(problem)
    if qgis.utils.iface is not None:
        return f"{problem} {tr('Press Install engine under {}.').format(PAGE)}"
    first, second = commands()
    where = tr(", in PowerShell") if os.name == "nt" else ""
    return tr(
        "{}\nThe engine runs in a Python environment of its own. In QGIS' window, Install "
        "engine under {} makes it; these two commands make it, too{} (Python 3.10 or "
        "later):\n\n{}\n{}\n\nQGIS finds it there; another one is named on that page or in the "
        "variable {}."
    ).format(problem, PAGE, where, first, second, VARIABLE)


def scrubbed_environment(source: Mapping[str, str] | None = None, root: Path = ROOT) -> dict[str, str]:
    """Return the engine's environment: the user's without what QGIS sets, engine/ importable."""
    environment = {
        name: value
        for name, value in (os.environ if source is None else source).items()
        if not name.upper().startswith(_SCRUBBED)
    }
    for name in _PLACES:  # the engine stands in another folder
        if environment.get(name, "").strip():
            parts = environment[name].split(os.pathsep)
            environment[name] = os.pathsep.join(os.path.abspath(os.path.expanduser(p)) for p in parts if p)
    environment["PYTHONPATH"] = str(root)
    environment["PYTHONUTF8"] = "1"
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    if os.name == "nt":
        environment["PATH"] = _path_without_qgis(environment.get("PATH", ""))
    return environment


def _path_without_qgis(path: str) -> str:
    """Drop QGIS' own folders: on Windows, PATH is also where DLLs come from."""
    home = os.path.normcase(os.environ.get("OSGEO4W_ROOT") or sys.prefix)
    return os.pathsep.join(p for p in path.split(os.pathsep) if not os.path.normcase(p).startswith(home))
