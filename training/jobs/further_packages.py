"""Whether the packages are there that training needs beside the engine's."""

from __future__ import annotations

import importlib.util
import sys

from engine.broken_packages import TRAINING
from engine.errors import InputError
from engine.files.root import ROOT

LISTED = ROOT / "requirements-training.txt"


def check_installed() -> None:
    """Refuse a job of training where a package is missing.

    Raises:
        InputError: names one, and the command that installs all of them.
    """
    missing = [name for name in TRAINING if not _is_there(name)]
    if not missing:
        return
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    raise InputError(
        f"Training needs {missing[0]}{more}, which the engine's Python lacks: run `{sys.executable} -m pip "
        f"install -r {LISTED}`, and start again."
    )


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):  # a part of it is missing
        return False
