"""The bar that offers the engine: once after the plugin is installed, again when it asks for another."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from qgis.core import QgsSettings
from qgis.PyQt.QtWidgets import QPushButton, QWidget

from ..compat import INFO
from ..metadata import plugin_version
from ..translation import tr
from ..worker.environment import find_engine
from ..worker.installed_engine import installed_engine
from .install_dialog import InstallDialog
from .install_task import background_work
from .plan import is_outdated

if TYPE_CHECKING:
    from qgis.gui import QgisInterface

SHOWN = "msr/engine_offered"  # the version of the plugin that has offered it


def offer_engine(iface: QgisInterface) -> QWidget | None:
    """Show the bar where it is due; return it."""
    missing = find_engine().problem is not None
    engine = installed_engine()
    outdated = not missing and engine is not None and is_outdated(engine)
    if not (missing or outdated) or QgsSettings().value(SHOWN, "") == plugin_version():
        return None
    QgsSettings().setValue(SHOWN, plugin_version())
    text = tr("Super-resolution needs its engine, which is not installed yet.")
    if outdated:
        text = tr("Super-resolution has a newer engine.")
    bar = iface.messageBar()
    widget = bar.createMessage(tr("MSR"), text)
    button = QPushButton(tr("Install engine") if missing else tr("Update engine"))

    def take_out() -> None:
        with contextlib.suppress(RuntimeError):  # the user has closed it
            bar.popWidget(widget)

    def show() -> None:
        take_out()
        show_install_dialog(iface.mainWindow())

    background_work().ended.connect(lambda fine, _: None if find_engine().problem else take_out())

    button.clicked.connect(show)
    widget.layout().addWidget(button)
    bar.pushWidget(widget, INFO)
    return widget


_open: list[InstallDialog] = []


def show_install_dialog(parent: QWidget | None) -> InstallDialog:
    """Show the dialog beside the window, which stays usable."""
    for dialog in _open:
        with contextlib.suppress(RuntimeError):  # it has gone with its window
            dialog.close()
    _open[:] = [InstallDialog(parent)]
    _open[0].show()
    return _open[0]
