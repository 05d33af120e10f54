"""Prints, as JSON, the texts that the plugin shows in forms, menu and windows of a QGIS: LOCALE [--marked].

With `--marked` each text that goes through `tr` is put in ‹›, so that what does not go through it is seen.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from qgis.core import (  # noqa: E402
    QgsApplication,
    QgsProcessingContext,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsSettings,
)
from qgis.PyQt.QtWidgets import (  # noqa: E402
    QAbstractButton,
    QComboBox,
    QDialog,
    QLabel,
    QLineEdit,
    QMenu,
    QWidget,
)

from msr_plugin import translation  # noqa: E402


class Marked(dict):
    """A language in which every text stands in ‹›."""

    def get(self, text, default=None):
        """Return the marked text."""
        return f"‹{text}›" if text else text


def of_forms() -> dict[str, str]:
    """Return the texts of the algorithms' forms, by algorithm and part; those of shipped models too."""
    from msr_plugin.provider import MsrProvider

    provider = MsrProvider()
    provider.loadAlgorithms()
    texts = {"provider": provider.name()}
    ALIVE.append(provider)
    for algorithm in (each.create() for each in provider.algorithms()):
        ALIVE.append(algorithm)
        parts = {"": algorithm.displayName(), "group": algorithm.group(), "help": algorithm.help_text("")}
        parts["help in short"] = algorithm.shortHelpString()
        for parameter in algorithm.parameterDefinitions():
            parts[parameter.name()] = parameter.description()
            parts[f"{parameter.name()} help"] = parameter.help()
            parts |= of_widget(parameter)
        for output in algorithm.outputDefinitions():
            parts[f"{output.name()} output"] = output.description()
        texts |= {f"{algorithm.name()}.{part}": text for part, text in parts.items() if text}
    return texts


def of_widget(parameter: QgsProcessingParameterDefinition) -> dict[str, str]:
    """Return the texts in the widget of ours that a dialog shows for a parameter, or in QGIS' own list."""
    maker = parameter.metadata().get("widget_wrapper", {}).get("class")
    if maker is None:
        entries = parameter.options() if isinstance(parameter, QgsProcessingParameterEnum) else []
        return {f"{parameter.name()} entry {at}": text for at, text in enumerate(entries)}
    module, _, name = maker.rpartition(".")
    dialog, context = QDialog(), QgsProcessingContext()
    hints = parameter.metadata()["widget_wrapper"].get("value_hints", ())
    wrapper = getattr(importlib.import_module(module), name)(parameter, dialog, value_hints=hints)
    widget = wrapper.createWrappedWidget(context)
    ALIVE.append((dialog, context, wrapper, widget))  # Qt owns none of them
    for offered in OFFERED.get(name, ()):
        wrapper.offer(offered)
    found = [box.itemText(at) for box in widget.findChildren(QComboBox) for at in range(box.count())]
    found += [edit.placeholderText() for edit in widget.findChildren(QLineEdit)]
    found += [each.toolTip() for each in widget.findChildren(QWidget)]
    texts = {f"{parameter.name()} entry {at}": text for at, text in enumerate(found) if text}
    return texts | of_window(f"{parameter.name()} widget", widget)


ALIVE: list[object] = []
# What widgets offer only where a dialog holds it.
OFFERED = {"KindChoice": [{"land": "‹land›"}], "DateChoice": [["2001-01", "2001-02"]]}


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


def main() -> None:
    """Print them."""
    application = QgsApplication([], True)
    application.initQgis()
    QgsSettings().setValue("locale/userLocale", sys.argv[1])  # as QGIS' own start does
    if "--marked" in sys.argv:
        translation.catalogue = Marked  # before the modules that translate tables as they are loaded
    texts = of_forms() | of_menu()
    from msr_plugin.installer.install_dialog import InstallDialog
    from msr_plugin.settings_page import OptionsPage

    texts |= of_window("settings", OptionsPage()) | of_window("installer", InstallDialog())
    print(json.dumps(texts), flush=True)
    os._exit(0)  # QGIS and Python disagree on who ends what first


if __name__ == "__main__":
    main()
