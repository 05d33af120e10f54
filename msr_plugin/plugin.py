"""The plugin: provider and settings page, put in and taken out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qgis.core import QgsApplication

from .provider import MsrProvider
from .worker.engine_service import SERVICE
from .worker.training_service import TRAINING

if TYPE_CHECKING:  # what only a window has
    from qgis.gui import QgisInterface

    from .menu import PluginMenu
    from .settings_page import OptionsFactory


class MsrPlugin:
    """What QGIS loads; `iface` is None without a window."""

    def __init__(self, iface: QgisInterface | None) -> None:
        self.iface = iface
        self.provider: MsrProvider | None = None
        self._options: OptionsFactory | None = None
        self._menu: PluginMenu | None = None

    def initProcessing(self) -> None:
        """Register the provider; all that qgis_process needs."""
        if self.provider is None:
            self.provider = MsrProvider()
            QgsApplication.processingRegistry().addProvider(self.provider)

    def initGui(self) -> None:
        """Register the provider, the settings page and the menu."""
        self.initProcessing()
        if self.iface is not None:
            from .installer.offer import offer_engine
            from .menu import PluginMenu
            from .settings_page import OptionsFactory

            self._menu = PluginMenu(self.iface)
            self._options = OptionsFactory()
            self.iface.registerOptionsWidgetFactory(self._options)
            offer_engine(self.iface)

    def unload(self) -> None:
        """Take all out again and end the worker."""
        if self.iface is not None and self._options is not None:
            self.iface.unregisterOptionsWidgetFactory(self._options)
            self._options = None
        if self._menu is not None:
            self._menu.remove()
            self._menu = None
        if self.provider is not None:
            QgsApplication.processingRegistry().removeProvider(self.provider)
            self.provider = None
        SERVICE.stop()
        TRAINING.stop()
