"""The QGIS side of MSR: qgis and the standard library only."""

from __future__ import annotations


def classFactory(iface):
    """Return the plugin object for QGIS (`iface` is None in qgis_process)."""
    from .plugin import MsrPlugin

    return MsrPlugin(iface)
