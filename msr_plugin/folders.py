"""Where things lie: the plugin's own files, the help, and the folders of models."""

from __future__ import annotations

import os
from pathlib import Path

from qgis.core import QgsApplication

ROOT = Path(__file__).resolve().parent.parent  # holds engine/, resources/, metadata.txt
HELP = ROOT / "docs" / "quickstart.md"  # in the checkout and in the zip


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
