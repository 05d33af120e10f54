"""What the stations do with the dialogs of algorithms."""

from __future__ import annotations

from typing import Any

from hand import Hand, Steps, WalkError, main_window, rest, shown, wait_for
from qgis.core import QgsProcessingParameterDefinition, QgsProject
from qgis.gui import QgsFilterLineEdit, QgsProcessingAlgorithmDialogBase
from qgis.PyQt.QtWidgets import QAbstractItemView, QDockWidget, QLineEdit, QTreeView, QWidget


def open_from_toolbox(hand: Hand, facts: dict[str, Any], title: str) -> Steps:
    """Look for an algorithm in the toolbox by its title, and open it; facts get what its dialog shows."""
    dock = main_window().findChild(QDockWidget, "ProcessingToolbox")
    if not dock.isVisible():
        yield from hand.menu("Processing", "Toolbox")
        yield wait_for(dock.isVisible, "the toolbox is there")
    yield from hand.write(dock.findChild(QgsFilterLineEdit), title)
    tree = dock.findChild(QTreeView)
    index = entry(tree, title)
    tree.scrollTo(index)
    yield from hand.click(tree.viewport(), tree.visualRect(index).center(), double=True)
    yield wait_for(lambda: dialog_of(title), f"the dialog {title} opens")
    look_at(dialog_of(title), facts)


def entry(tree: QTreeView, title: str) -> Any:
    """Return the index of a tree's entry by its words.

    Raises:
        WalkError: there is none.
    """
    model = tree.model()
    waiting = [model.index(row, 0) for row in range(model.rowCount())]
    while waiting:
        index = waiting.pop(0)
        if str(index.data()) == title:
            return index
        waiting += [model.index(row, 0, index) for row in range(model.rowCount(index))]
    raise WalkError(f"The toolbox has no {title}.")


def dialog_of(title: str) -> QgsProcessingAlgorithmDialogBase | None:
    """Return an algorithm's open dialog."""
    return shown(QgsProcessingAlgorithmDialogBase, title)  # which Python has lost where it is a QDialog alone


def look_at(dialog: QgsProcessingAlgorithmDialogBase, facts: dict[str, Any]) -> None:
    """Note which parameters a dialog shows before a section is opened, and how many it has."""
    algorithm = dialog.algorithm()
    defined = [p for p in algorithm.parameterDefinitions() if not p.flags() & hidden()]
    wrappers = dialog.mainWidget().wrappers
    seen = []
    for parameter in defined:
        widget = wrappers[parameter.name()].wrappedWidget()
        if widget is not None and widget.isVisibleTo(dialog):
            seen.append(parameter.description())
    facts.setdefault("dialogs", {})[algorithm.id()] = {"shown": seen, "all": len(defined)}


def hidden() -> Any:
    """Return the flag of parameters that no dialog shows."""
    return QgsProcessingParameterDefinition.FlagHidden


def field_of(dialog: QgsProcessingAlgorithmDialogBase, parameter: str) -> QLineEdit:
    """Return the text field of a parameter."""
    widget = dialog.mainWidget().wrappers[parameter].wrappedWidget()
    return widget if isinstance(widget, QLineEdit) else widget.findChild(QLineEdit)


def tick_layers(
    hand: Hand, dialog: QgsProcessingAlgorithmDialogBase, parameter: str, names: list[str]
) -> Steps:
    """Choose layers of a list by the beginnings of their names."""
    widget: QWidget = dialog.mainWidget().wrappers[parameter].wrappedWidget()
    yield from hand.press(widget, "…")
    yield wait_for(lambda: lists(dialog), "the list of layers opens")
    for name in names:
        yield from hand.tick(lists(dialog)[0], name)
    yield from hand.press(lists(dialog)[0].parentWidget(), "OK")
    yield wait_for(lambda: not lists(dialog), "the list of layers closes")


def lists(dialog: QWidget) -> list[QAbstractItemView]:
    """Return the open lists of layers."""
    views = dialog.findChildren(QAbstractItemView, "mSelectionList")
    return [view for view in views if view.isVisible()]


def run(hand: Hand, dialog: QgsProcessingAlgorithmDialogBase, seconds: float) -> Steps:
    """Press Run and wait until it is done.

    Raises:
        WalkError: the run failed, or something else came instead.
    """
    yield from hand.press(dialog, "Run")
    yield rest(1)
    cancel = dialog.cancelButton()
    yield wait_for(lambda: not cancel.isEnabled(), f"{dialog.windowTitle()} is done", seconds)
    yield rest(2)
    if not dialog.results():
        raise WalkError(f"{dialog.windowTitle()} failed.")


def layer_named(text: str) -> Any:
    """Return the project's layer whose name begins so; None where there is none."""
    layers = QgsProject.instance().mapLayers().values()
    return next((layer for layer in layers if layer.name().startswith(text)), None)
