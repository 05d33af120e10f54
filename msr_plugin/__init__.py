"""The QGIS side of MSR: qgis and the standard library only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qgis.gui import QgisInterface

    from .plugin import MsrPlugin


def classFactory(iface: QgisInterface | None) -> MsrPlugin:
    """Return the plugin object for QGIS (`iface` is None in qgis_process)."""
    from .plugin import MsrPlugin

    return MsrPlugin(iface)
