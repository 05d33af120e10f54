"""The plugin's texts in the user's language."""

from __future__ import annotations

from qgis.PyQt.QtCore import QCoreApplication


def tr(text: str) -> str:
    """Translate a text of the plugin."""
    return QCoreApplication.translate("MSR", text)
