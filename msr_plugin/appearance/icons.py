"""The icons of the plugin and of its algorithms."""

from __future__ import annotations

from qgis.core import QgsApplication
from qgis.PyQt.QtGui import QIcon

from ..folders import ROOT


def plugin_icon(name: str = "msr") -> QIcon:
    """Return one of the plugin's icons, QGIS' own Processing icon where the file is absent."""
    path = ROOT / "resources" / "icons" / f"{name}.svg"
    if path.is_file():
        return QIcon(str(path))
    return QIcon(QgsApplication.iconPath("processingAlgorithm.svg"))
