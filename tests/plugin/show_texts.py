"""Prints, as JSON, the texts that the plugin shows in forms, menu and windows of a QGIS: LOCALE [--marked].

With `--marked` each text that goes through `tr` is put in ‹›, so that what does not go through it is seen.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from qgis.core import QgsApplication, QgsSettings  # noqa: E402
from qgis.PyQt.QtWidgets import QAbstractButton, QLabel, QMenu, QWidget  # noqa: E402

from msr_plugin import translation  # noqa: E402


class Marked(dict):
    """A language in which every text stands in ‹›."""

    def get(self, text, default=None):
        """Return the marked text."""
        return f"‹{text}›" if text else text


def of_forms() -> dict[str, str]:
    """Return the texts of the algorithms' forms, by algorithm and part."""
    from msr_plugin.provider import GENERIC, MsrProvider

    texts = {"provider": MsrProvider().name()}
    for kind in GENERIC:
        algorithm = kind().create()
        parts = {"": algorithm.displayName(), "group": algorithm.group(), "help": algorithm.help_text("")}
        parts["help in short"] = algorithm.shortHelpString()
        for parameter in algorithm.parameterDefinitions():
            parts[parameter.name()] = parameter.description()
            parts[f"{parameter.name()} help"] = parameter.help()
        for output in algorithm.outputDefinitions():
            parts[f"{output.name()} output"] = output.description()
        texts |= {f"{algorithm.name()}.{part}": text for part, text in parts.items() if text}
    return texts


def of_window(name: str, window: QWidget) -> dict[str, str]:
    """Return the texts of a window's labels and buttons, but those that Qt brings."""
    widgets = [*window.findChildren(QLabel), *window.findChildren(QAbstractButton)]
    own = [w.text() for w in widgets if w.text() and w.text() not in ("…", "&Close", "Close")]
    return {f"{name}.{at}": text for at, text in enumerate(own)}


def of_menu() -> dict[str, str]:
    """Return the texts of the menu."""
    from msr_plugin.menu import PluginMenu

    raster = QMenu()
    menu = PluginMenu(SimpleNamespace(rasterMenu=lambda: raster))
    entries = [menu.menu.title(), *(action.text() for action in menu.menu.actions() if action.text())]
    return {f"menu.{at}": text for at, text in enumerate(entries)}


def main() -> int:
    """Print them; return the exit status."""
    application = QgsApplication([], True)
    application.initQgis()
    QgsSettings().setValue("locale/userLocale", sys.argv[1])  # as QGIS' own start does
    if "--marked" in sys.argv:
        translation.catalogue = Marked  # before the modules that translate tables as they are loaded
    texts = of_forms() | of_menu()
    from msr_plugin.installer.install_dialog import InstallDialog
    from msr_plugin.settings_page import OptionsPage

    texts |= of_window("settings", OptionsPage()) | of_window("installer", InstallDialog())
    print(json.dumps(texts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
