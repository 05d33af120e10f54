"""The plugin: provider and settings page, put in and taken out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qgis.core import QgsApplication

from .provider import MsrProvider
from .worker.engine_service import SERVICE

if TYPE_CHECKING:  # what only a window has
    from qgis.gui import QgisInterface

    from .settings_page import OptionsFactory


class MsrPlugin:
    """What QGIS loads; `iface` is None without a window."""

    def __init__(self, iface: QgisInterface | None) -> None:
        self.iface = iface
        self.provider: MsrProvider | None = None
        self._options: OptionsFactory | None = None

    def initProcessing(self) -> None:
        """Register the provider; all that qgis_process needs."""
        if self.provider is None:
            self.provider = MsrProvider()
            QgsApplication.processingRegistry().addProvider(self.provider)

    def initGui(self) -> None:
        """Register the provider and the settings page."""
        self.initProcessing()
        if self.iface is not None:
            from .settings_page import OptionsFactory

            self._options = OptionsFactory()
            self.iface.registerOptionsWidgetFactory(self._options)

    def unload(self) -> None:
        """Take all out again and end the worker."""
        if self.iface is not None and self._options is not None:
            self.iface.unregisterOptionsWidgetFactory(self._options)
            self._options = None
        if self.provider is not None:
            QgsApplication.processingRegistry().removeProvider(self.provider)
            self.provider = None
        SERVICE.stop()
