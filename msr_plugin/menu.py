"""The menu below *Raster*: what a newcomer looks for there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qgis.core import QgsProject

from .appearance.icons import plugin_icon
from .folders import profile_folder
from .translation import tr

if TYPE_CHECKING:  # what only a window has
    from qgis.gui import QgisInterface
    from qgis.PyQt.QtWidgets import QDialog, QMenu

SAMPLE = "msr:sampledata"
# Algorithms whose dialog an entry opens: id, and words.
DIALOGS = (
    ("msr:sharpen", "Make my raster finer…"),
    ("msr:comparemethods", "Compare methods on my raster…"),
)
_open: dict[int, QDialog] = {}


class PluginMenu:
    """A menu of its own below *Raster*.

    Args:
        iface: of the window.
    """

    def __init__(self, iface: QgisInterface) -> None:
        self.iface = iface
        self.menu: QMenu = iface.rasterMenu().addMenu(plugin_icon(), tr("Super-resolution"))
        for algorithm, words in DIALOGS:
            entry = self.menu.addAction(plugin_icon(), tr(words))
            entry.triggered.connect(lambda *_, algorithm=algorithm: open_dialog(algorithm))
        self.menu.addAction(plugin_icon("info"), tr("Load sample data"), self.load_sample)

    def remove(self) -> None:
        """Take the menu out again."""
        self.iface.rasterMenu().removeAction(self.menu.menuAction())
        self.menu.deleteLater()

    def load_sample(self) -> None:
        """Add the sample's layers to the project, show them, and say what to do with them."""
        import processing

        results = processing.runAndLoadResults(SAMPLE, {"FOLDER": str(profile_folder() / "sample")})
        coarse = (results or {}).get("COARSE")
        layers = [layer for layer in QgsProject.instance().mapLayers().values() if layer.source() == coarse]
        if layers:
            self.iface.setActiveLayer(layers[-1])
            self.iface.zoomToActiveLayer()
        said = tr("The sample rasters are simulated. Try Raster > Super-resolution > Make my raster finer.")
        self.iface.messageBar().pushMessage(tr("Super-resolution"), said)


def open_dialog(algorithm: str) -> None:
    """Open the dialog of an algorithm, beside the window."""
    import processing

    dialog = processing.createAlgorithmDialog(algorithm, {})
    if dialog is not None:
        # Without it Python throws away its half of the dialog, and Run does nothing.
        key = id(dialog)
        _open[key] = dialog
        dialog.destroyed.connect(lambda *_: _open.pop(key, None))
        dialog.show()
