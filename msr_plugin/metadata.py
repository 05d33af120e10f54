"""What metadata.txt says of the plugin."""

from __future__ import annotations

import configparser
from pathlib import Path

from .folders import ROOT


def plugin_version(root: Path = ROOT) -> str:
    """Return the version in metadata.txt; the engine's must be the same."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(root / "metadata.txt", encoding="utf-8")
    return parser.get("general", "version")
