"""Where things lie: the plugin's own files, the help, and the folders of models."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from qgis.core import QgsApplication

from .translation import tr

ROOT = Path(__file__).resolve().parent.parent  # holds engine/, resources/, metadata.txt
LONGEST = 259  # signs of a path on Windows, where long ones are not allowed
LIMITED = sys.platform == "win32"
HELP = ROOT / "docs" / "quickstart.md"  # in the checkout and in the zip
TRAINING_HELP = ROOT / "docs" / "train-from-qgis.md"


def too_long(path: str | Path, added: int = 0) -> str:
    """Return, as the end of a sentence, that a path is longer than Windows takes; "" where it is not.

    Args:
        path: of a file.
        added: signs of what its name gets while it is written.
    """
    signs = len(os.path.abspath(path)) + added
    if signs <= LONGEST or not LIMITED or _long_paths_are_allowed():
        return ""
    written = tr(
        "its path has {} signs while it is written, and Windows takes {}: choose a shorter folder or name, "
        "or allow long paths in Windows."
    )
    kept = tr(
        "its path has {} signs, and Windows takes {}: choose a shorter folder or name, or allow long paths "
        "in Windows."
    )
    return (written if added else kept).format(signs, LONGEST)


def _long_paths_are_allowed() -> bool:
    import ctypes

    try:
        return bool(ctypes.CDLL("ntdll").RtlAreLongPathsEnabled() & 0xFF)
    except (OSError, AttributeError):  # before Windows 10
        return False


def profile_models() -> Path:
    """Return the folder of the models installed into this profile."""
    return profile_folder() / "models"


def profile_folder() -> Path:
    """Return the profile's folder for all that is MSR's."""
    return Path(QgsApplication.qgisSettingsDirPath()).absolute() / "msr"


def model_folders() -> list[Path]:
    """Return the folders that hold model packages, the first to be searched first."""
    listed = os.environ.get("MSR_MODELS", "").split(os.pathsep)
    extra = [Path(os.path.abspath(os.path.expanduser(p))) for p in listed if p.strip()]
    return [profile_models(), *extra, ROOT / "resources" / "models"]
