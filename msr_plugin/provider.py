"""The Processing provider: one algorithm for each installed model, and the generic ones."""

from __future__ import annotations

from qgis.core import QgsApplication, QgsMessageLog, QgsProcessingProvider
from qgis.PyQt.QtCore import QThread, pyqtSignal
from qgis.PyQt.QtGui import QIcon

from .algorithms.any_model import SuperResolve
from .algorithms.finer.compare_methods import CompareMethods
from .algorithms.finer.sample_data import SampleData
from .algorithms.finer.sharpen import Sharpening
from .algorithms.installed_model import ModelAlgorithm
from .algorithms.packages.export_model import ExportModel
from .algorithms.packages.install_model import InstallModel
from .algorithms.packages.model_card import ModelInfo
from .algorithms.packages.remove_model import RemoveModel
from .algorithms.simple_methods import Baseline
from .algorithms.training.ablate import Ablate
from .algorithms.training.evaluate import Evaluate
from .algorithms.training.prepare import Prepare
from .algorithms.training.train import Train
from .appearance.icons import plugin_icon
from .compat import WARNING
from .folders import model_folders
from .metadata import plugin_version
from .packages.cards import installed_cards
from .translation import tr

TRAINING = (Prepare, Train, Evaluate, Ablate, ExportModel, RemoveModel)
GENERIC = (Sharpening, SampleData, CompareMethods, SuperResolve, Baseline, ModelInfo, InstallModel, *TRAINING)


class MsrProvider(QgsProcessingProvider):
    """Provider `msr`."""

    _refresh_wanted = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self._refresh_wanted.connect(self.refreshAlgorithms)

    def id(self) -> str:
        """Return the id, which never changes."""
        return "msr"

    def name(self) -> str:
        """Return the name in the toolbox."""
        return tr("Multi-source super-resolution")

    def longName(self) -> str:
        """Return the name with the version."""
        return f"{self.name()} ({plugin_version()})"

    def versionInfo(self) -> str:
        """Return the version."""
        return plugin_version()

    def icon(self) -> QIcon:
        """Return the icon."""
        return plugin_icon()

    def supportedOutputRasterLayerExtensions(self) -> list[str]:
        """Return what the engine writes."""
        return ["tif", "nc", "zarr"]

    def defaultRasterFileExtension(self, hasGeometry: bool = True) -> str:
        """Return what the engine writes."""
        return "tif"

    def loadAlgorithms(self) -> None:
        """Add the generic algorithms and those of the models; a damaged card costs only its own."""
        for algorithm in GENERIC:
            self.addAlgorithm(algorithm())
        cards, errors = installed_cards(model_folders())
        for error in errors:
            QgsMessageLog.logMessage(str(error), "MSR", WARNING)
        for card in cards:
            self.addAlgorithm(ModelAlgorithm(card))

    def refresh_soon(self) -> None:
        """Load the algorithms again: at once on the main thread, else when it next has time."""
        if QThread.currentThread() == QgsApplication.instance().thread():
            self.refreshAlgorithms()
        else:
            self._refresh_wanted.emit()
