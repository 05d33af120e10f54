"""The menu below *Raster*: it comes and goes with the plugin, and its entries do what they say."""

from __future__ import annotations

import gc

import pytest
from qgis.core import QgsProject
from qgis.PyQt.QtCore import QEvent
from qgis.PyQt.QtWidgets import QApplication, QDialog, QMenu

from msr_plugin import menu


class Window:
    """As much of QGIS' window as the menu needs."""

    def __init__(self):
        self.raster, self.said, self.active = QMenu(), [], []

    def rasterMenu(self):
        return self.raster

    def messageBar(self):
        return self

    def pushMessage(self, title, text):
        self.said.append(text)

    def setActiveLayer(self, layer):
        self.active.append(layer.name())

    def zoomToActiveLayer(self):
        self.active.append("zoom")


@pytest.fixture
def window(provider, monkeypatch, tmp_path):
    """A window, with a profile of its own."""
    from processing.gui import Postprocessing

    monkeypatch.setattr(menu, "profile_folder", lambda: tmp_path)
    # The stand-in of QGIS' window has no real view of layers, which newer ones ask for.
    monkeypatch.setattr(Postprocessing, "iface", None, raising=False)
    yield Window()
    QgsProject.instance().removeAllMapLayers()


def test_it_comes_and_goes(window):
    made = menu.PluginMenu(window)
    entries = [action.text() for action in made.menu.actions()]
    assert entries[0] == "Make my raster finer…" and "Load sample data" in entries
    made.remove()
    assert not window.raster.actions()


def test_the_sample_is_loaded_and_shown(window):
    made = menu.PluginMenu(window)
    made.load_sample()
    names = [layer.name() for layer in QgsProject.instance().mapLayers().values()]
    assert len(names) == 4 and all("simulated" in name for name in names)
    assert window.active == ["Coarse temperature (simulated)", "zoom"]
    assert "simulated" in window.said[0]


def test_each_entry_opens_an_algorithm_that_is_there(window, provider, monkeypatch):
    opened = []
    monkeypatch.setattr(menu, "open_dialog", opened.append)
    for action in menu.PluginMenu(window).menu.actions()[: len(menu.DIALOGS)]:
        action.trigger()
    assert opened == [algorithm for algorithm, _ in menu.DIALOGS]
    assert all(provider.algorithm(each.partition(":")[2]) is not None for each in opened)


class Dialog(QDialog):
    """As QGIS' own dialog of algorithms: its Run is Python's."""


def test_a_dialog_keeps_what_runs_the_algorithm(qgis_app, monkeypatch):
    """Python's half of a dialog that nobody holds is thrown away; then Run does nothing."""
    import processing

    monkeypatch.setattr(processing, "createAlgorithmDialog", lambda *_: Dialog(), raising=False)
    menu.open_dialog("msr:sharpen")
    gc.collect()
    (dialog,) = [widget for widget in QApplication.topLevelWidgets() if isinstance(widget, Dialog)]
    assert dialog.isVisible()
    dialog.deleteLater()
    QApplication.sendPostedEvents(dialog, QEvent.Type.DeferredDelete)
    assert not menu._open
