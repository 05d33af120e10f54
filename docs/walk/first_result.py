"""The stations from the zip to the first finer raster, which plays in time."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import qgis.utils
from dialogs import dialog_of, layer_named, look_at, run, tick_layers
from hand import Hand, Steps, WalkError, main_window, rest, shown, wait_for
from qgis.core import QgsProject, QgsSettings, QgsSingleBandPseudoColorRenderer
from qgis.PyQt.QtGui import QImage
from qgis.PyQt.QtWidgets import (
    QAbstractButton,
    QAction,
    QComboBox,
    QDialog,
    QDockWidget,
    QLineEdit,
    QListWidget,
    QMessageBox,
    QTextBrowser,
)

FINER = "Make my raster finer"
COARSE = "Coarse temperature"
COVARIATES = ["Elevation", "Greenness"]
INSTALLING = 1500.0  # seconds
RUNNING = 300.0


def install_the_zip(hand: Hand, facts: dict[str, Any]) -> Steps:
    """*Plugins > Manage and Install Plugins > Install from ZIP*."""
    yield from hand.menu("Plugins", "Manage and Install Plugins")
    yield wait_for(lambda: shown(QDialog, "Plugins"), "the plugin manager opens")
    manager = shown(QDialog, "Plugins")
    yield from hand.click(*listed(manager, "Install from ZIP"))
    path = next(f for f in manager.findChildren(QLineEdit) if f.isVisible())
    yield from hand.write(path, facts["zip"])
    yield from hand.press(manager, "Install Plugin")
    yield wait_for(lambda: shown(QMessageBox) or is_loaded(), "the plugin is installed")
    if shown(QMessageBox) is not None:  # QGIS warns of plugins from elsewhere
        yield from hand.press(shown(QMessageBox), "Yes")
    yield wait_for(is_loaded, "the plugin is installed")
    yield rest(1)
    hand.picture("plugin_manager")
    yield from hand.press(manager, "Close")
    if "msr" not in qgis.utils.active_plugins:
        raise WalkError("The plugin is installed, but not at work.")


def install_the_engine(hand: Hand, facts: dict[str, Any]) -> Steps:
    """The button in the bar, the dialog, its end; a lent engine is a setting, and the dialog is only seen."""
    bar = qgis.utils.iface.messageBar()
    yield wait_for(lambda: bar.currentItem() is not None, "a bar offers the engine")
    hand.picture("engine_offered")
    yield from hand.press(bar, "Install engine")
    yield wait_for(lambda: shown(QDialog, "Install engine"), "the dialog opens")
    dialog = shown(QDialog, "Install engine")
    yield from hand.click(dialog.training, spot(dialog.training))
    yield rest(1)
    hand.picture("install_dialog", dialog)
    if facts["engine"]:
        QgsSettings().setValue("msr/engine_python", facts["engine"])
        yield from hand.press(dialog, "Close")
        return
    if facts["bundle"]:
        yield from hand.click(dialog.bundle_button)
        yield from hand.choose_file(Path(facts["bundle"]), "Open")
    else:
        yield from hand.click(dialog.install_button)
    work = dialog._work
    yield wait_for(lambda: work.busy or work.sentence, "installing begins")
    yield rest(3)
    hand.picture("installing", dialog)
    yield wait_for(lambda: not work.busy, "installing ends", INSTALLING)
    hand.picture("installed", dialog)
    from msr.msr_plugin.worker.installed_engine import installed_engine

    if installed_engine() is None:
        raise WalkError(f"The engine was not installed: {work.sentence}")
    facts["engine installed"] = str(installed_engine().interpreter)
    yield from hand.press(dialog, "Close")


def load_the_sample(hand: Hand, facts: dict[str, Any]) -> Steps:
    """*Raster > Super-resolution > Load sample data*."""
    yield from hand.menu("Raster", "Super-resolution", "Load sample data")
    yield wait_for(lambda: layer_named(COARSE), "the sample is in the project")
    yield wait_for(is_drawn, "the map is drawn")
    yield rest(1)


def make_it_finer(hand: Hand, facts: dict[str, Any]) -> Steps:
    """*Make my raster finer* with elevation and greenness; the layer comes with its colours."""
    yield from hand.menu("Raster", "Super-resolution", FINER)
    yield wait_for(lambda: dialog_of(FINER), "the dialog opens")
    dialog = dialog_of(FINER)
    look_at(dialog, facts)
    target = dialog.createProcessingParameters().get("TARGET")
    layer = QgsProject.instance().mapLayer(str(target))
    if layer is None or not layer.name().startswith(COARSE):
        raise WalkError(f"The coarse raster is {layer.name() if layer else target}, not the sample's.")
    yield from tick_layers(hand, dialog, "COVARIATES", COVARIATES)
    yield rest(1)
    hand.picture("finer_dialog", dialog)
    before = set(QgsProject.instance().mapLayers())
    yield from run(hand, dialog, RUNNING)
    hand.picture("finer_log", dialog)
    yield from hand.press(dialog, "Close")
    yield wait_for(is_drawn, "the map is drawn")
    added = set(QgsProject.instance().mapLayers()) - before
    made = [QgsProject.instance().mapLayer(each) for each in added]
    facts["made"] = sorted(layer.name() for layer in made)
    first = next((layer for layer in made if "(sharpen)" in layer.name() and layer.bandCount() == 3), None)
    if first is None:
        raise WalkError(f"The result is not among the layers that came: {facts['made']}.")
    facts["result"] = first.id()
    if not isinstance(first.renderer(), QgsSingleBandPseudoColorRenderer):
        raise WalkError(f"{first.name()} came without colours.")
    facts["first result"] = {
        "clicks": hand.clicks,
        "texts": hand.texts,
        "seconds": round(time.monotonic() - hand.began, 1),
    }
    yield rest(1)
    hand.picture("finer_map")


def read_what_came_of_it(hand: Hand, facts: dict[str, Any]) -> Steps:
    """The results viewer, which came by itself, leads to a page that tells of elevation and of the gain."""
    viewer = main_window().findChild(QDockWidget, "ResultsViewer")
    yield wait_for(viewer.isVisible, "the results viewer is open", 10)
    facts["page"] = re.findall(r"/\S+\.html", viewer.findChild(QTextBrowser).toPlainText().replace("\n", ""))[
        0
    ]
    text = Path(facts["page"]).read_text(encoding="utf-8")
    if "elevation" not in text or "interpolation" not in text:
        raise WalkError(f"{facts['page']} does not tell what came of it.")
    yield from hand.click(viewer.findChild(QAbstractButton, "qt_dockwidget_closebutton"))


def play_in_time(hand: Hand, facts: dict[str, Any]) -> Steps:
    """The Temporal Controller plays all dates, in their own steps, each with a picture of its own."""
    action = main_window().findChild(QAction, "mActionTemporalController")
    yield from hand.click(tool_of(action))
    dock = main_window().findChild(QDockWidget, "Temporal Controller")
    yield wait_for(dock.isVisible, "the Temporal Controller opens")
    yield from hand.press(dock, "Animated temporal navigation")
    canvas = qgis.utils.iface.mapCanvas()
    steps = next(
        box for box in dock.findChildren(QComboBox) if box.isVisible() and box.findText("months") >= 0
    )
    frames = canvas.temporalController().totalFrameCount()
    if steps.currentText() != "months" or frames != len(facts["dates"]):
        raise WalkError(f"It would play {frames} frames in steps of {steps.currentText()}.")
    pictures: dict[str, QImage] = {}
    before = [""]

    def seen() -> bool:
        month = canvas.temporalRange().begin().toString("yyyy-MM")
        # QGIS draws a moment after the frame has changed: what is at rest at once is the frame before.
        settled = is_drawn() and month == before[0]
        before[0] = month
        if settled and month in facts["dates"] and month not in pictures:
            pictures[month] = canvas.grab().toImage()
            hand.picture(f"playing_{month}")
        return len(pictures) == len(facts["dates"])

    facts["frames"] = frames
    yield from hand.press(dock, "Loop")  # a busy machine may miss a frame the first time
    yield from hand.press(dock, "Play")
    yield wait_for(seen, f"the dates {facts['dates']} have been shown", 60)
    images = list(pictures.values())
    if any(a == b for number, a in enumerate(images) for b in images[:number]):
        raise WalkError("Two dates look the same.")
    yield from hand.press(dock, "Pause")
    yield from hand.press(dock, "Turn off temporal navigation")
    yield from hand.click(tool_of(action))


def listed(manager: QDialog, text: str) -> tuple[Any, Any]:
    """Return the list at a dialog's side, and where in it an entry lies."""
    for side in manager.findChildren(QListWidget):
        for row in range(side.count()):
            if side.item(row).text() == text:
                return side.viewport(), side.visualItemRect(side.item(row)).center()
    raise WalkError(f"There is no page {text}.")


def spot(box: Any) -> Any:
    """Return where a tick box has its tick."""
    place = box.rect().center()
    place.setX(10)
    return place


def tool_of(action: QAction) -> Any:
    """Return the visible tool button of an action."""
    for widget in action.associatedWidgets():
        tool = getattr(widget, "widgetForAction", lambda _: None)(action)
        if tool is not None and tool.isVisible():
            return tool
    raise WalkError(f"{action.text()} is on no tool bar.")


def is_loaded() -> bool:
    """Return whether QGIS has the plugin at work."""
    return "msr" in qgis.utils.plugins


def is_drawn() -> bool:
    """Return whether the map is at rest."""
    return not qgis.utils.iface.mapCanvas().isDrawing()
