"""Import every module of the plugin on PyQt6, open its windows, and print what went wrong as JSON."""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

from PyQt6.QtWidgets import QApplication, QHBoxLayout, QMenu, QPushButton, QWidget

from tests.qt6.names_used import problems
from tests.qt6.stand_in import take_place


def import_all(root: Path) -> None:
    """Import each module of the plugin."""
    for path in sorted((root / "msr_plugin").rglob("*.py")):
        name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        importlib.import_module(name)


def show_forms() -> None:
    """Make every algorithm with its parameters and help, those of the shipped models too."""
    from msr_plugin.provider import MsrProvider

    provider = MsrProvider()
    provider.icon()
    provider.loadAlgorithms()
    if len(provider.algorithms()) < 10:
        raise RuntimeError("the provider has hardly any algorithms")
    for made in provider.algorithms():
        algorithm = made.createInstance()
        algorithm.initAlgorithm({})
        algorithm.icon()
        if not (algorithm.displayName() and algorithm.shortHelpString() and algorithm.parameterDefinitions()):
            raise RuntimeError(f"{algorithm.name()} has no name, help or parameters")


def show_settings() -> None:
    """Open the settings page, and leave it."""
    from msr_plugin.settings_page import OptionsFactory

    factory = OptionsFactory()
    factory.icon()
    page = factory.createWidget(None)
    page.show()
    QApplication.processEvents()
    page.apply()
    page.close()


def show_installer() -> None:
    """Open the dialog of the installer, press what needs no network, and close it."""
    from msr_plugin.installer.install_dialog import InstallDialog

    dialog = InstallDialog()
    dialog.show()
    dialog.training.toggle()
    dialog.cuda.toggle()
    dialog.copy_report()
    QApplication.processEvents()
    dialog.close()


def show_menu() -> None:
    """Put the menu and the bar into a window, and take the menu out."""
    from msr_plugin.installer.offer import offer_engine
    from msr_plugin.menu import PluginMenu

    raster = QMenu()
    bar = MagicMock()
    widget = QWidget()
    widget.setLayout(QHBoxLayout())
    bar.createMessage.return_value = widget
    iface = SimpleNamespace(rasterMenu=lambda: raster, messageBar=lambda: bar, mainWindow=lambda: None)
    menu = PluginMenu(iface)
    if len(menu.menu.actions()) < 3:
        raise RuntimeError("the menu is nearly empty")
    menu.remove()
    offer_engine(iface)
    if not widget.findChildren(QPushButton):
        raise RuntimeError("the bar has no button")


def main() -> int:
    """Do all of it, with a folder for the profile, or look through the names in another folder alone."""
    root, profile = Path.cwd(), Path(sys.argv[1])
    application = QApplication(["qt6"])
    take_place(profile)
    if sys.argv[2:]:
        print(json.dumps(problems(Path(sys.argv[2]))))
        return 0
    steps: tuple[Callable[[], None], ...] = (
        lambda: import_all(root),
        show_forms,
        show_settings,
        show_installer,
        show_menu,
    )
    told = problems(root / "msr_plugin")
    for step in steps:
        try:
            step()
        except Exception:
            told.append(traceback.format_exc())
    print(json.dumps(told))
    application.processEvents()
    return 0


if __name__ == "__main__":
    sys.exit(main())
