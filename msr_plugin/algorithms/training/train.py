"""“Train a model”: from a description, a store or a configuration to an algorithm in the toolbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsApplication,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputBoolean,
    QgsProcessingOutputFolder,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
)

from ...compat import FOLDER
from ...folders import profile_models
from ...packages.model_install import InstallError, install
from ...translation import tr
from ..destinations import given_path
from ..faults import guarded
from ..rasters import RasterProblem
from .training_algorithm import TrainingAlgorithm

PROVIDER = "msr"


class Train(TrainingAlgorithm):
    """Trains a model to its package and installs it; cancelled, it goes on when it is run again."""

    ID = "train"
    TITLE = "2. Train a model"
    TAGS = ("training", "learn", "network", "deep learning", "gan", "cascade", "fit")

    def texts(self) -> dict[str, str]:
        """Return the help."""
        return {
            "": "Trains a model on data that “Prepare training data” has prepared, and installs it: it is "
            "then an algorithm of its own in the toolbox. All that is not said in a configuration is "
            "chosen by the data and told: the network, how long it trains, what it is judged on. Where "
            "there is no fine truth, a cascade is learned from the coarse rasters themselves.\nTraining "
            "takes minutes to hours. The log tells steps, losses and the time left; the page shows the "
            "curves, and in the end the scores beside simple methods. Cancelling keeps a checkpoint: run "
            "again with the same parameters, it goes on from there.",
            "STORE": "A store that is prepared: the folder stores/NAME.zarr.",
            "INPUT": "In place of a store: the description of a data set (it is prepared first, where it "
            "is not yet), or a configuration, in which you say more yourself. Each run leaves the whole "
            "of its own in runs/ID/config.yaml.",
            "FOLDER": "Where runs/ID is written. Empty: the folder that the store or the file belongs to.",
            "INSTALL": "Put the model into this profile when it is trained; an older one of its id is "
            "replaced.",
            "OUTPUT_HTML": "The page of losses, written anew while it trains, and of scores in the end.",
            "DEVICE": "auto takes the best that there is; or cpu, cuda, mps.",
            "THREADS": "Processor threads. Empty: all.",
            "FRESH": "Do not go on from the checkpoint of a run that was stopped; that run is set aside.",
        }

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Add the parameters."""
        self.add(QgsProcessingParameterFile("STORE", tr("Store of training data"), FOLDER, optional=True))
        self.add_yaml("INPUT", tr("Or a description or configuration (YAML)"))
        self.add_folder()
        self.add(QgsProcessingParameterBoolean("INSTALL", tr("Install the model"), True))
        self.add(
            QgsProcessingParameterFileDestination(
                "OUTPUT_HTML", tr("Page of losses and scores"), tr("HTML files (*.html)"), optional=True
            )
        )
        self.add_device()
        self.add_integer("THREADS", tr("Threads"), None, 1, 4096, optional=True, advanced=True)
        self.add(QgsProcessingParameterBoolean("FRESH", tr("Start anew"), False), True)
        self.addOutput(QgsProcessingOutputString("MODEL", tr("Id of the model")))
        self.addOutput(QgsProcessingOutputFolder("PACKAGE", tr("Model package")))
        self.addOutput(QgsProcessingOutputFolder("RUN", tr("Folder of the run")))
        self.addOutput(QgsProcessingOutputBoolean("RESUMED", tr("Went on from a checkpoint")))
        self.addOutput(QgsProcessingOutputNumber("RMSE", tr("RMSE on the test data")))

    def request(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        """Return what the worker is asked for."""
        given = [self.existing(parameters, name, context) for name in ("STORE", "INPUT")]
        if not any(given):
            raise RasterProblem(tr("{} is missing, or {}.").format(self.label("STORE"), self.label("INPUT")))
        if all(given):
            raise RasterProblem(
                tr("Give either {} or {}, not both.").format(self.label("STORE"), self.label("INPUT"))
            )
        source = given[0] or given[1]
        page = given_path(parameters.get("OUTPUT_HTML"), context)
        if page == "":  # a temporary file, of which QGIS chooses the name
            page = self.parameterAsFileOutput(parameters, "OUTPUT_HTML", context)
        threads = self.is_given(parameters, "THREADS", context)
        return {
            "folder": self.folder(parameters, context, source),
            "input": source,
            "device": self.parameterAsString(parameters, "DEVICE", context) or "auto",
            "threads": self.parameterAsInt(parameters, "THREADS", context) if threads else None,
            "fresh": self.parameterAsBoolean(parameters, "FRESH", context),
            "page": page or None,
        }

    @guarded
    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Let the worker train, and install what came of it."""
        result = self.ask("train", feedback)
        if result is None:
            feedback.pushInfo(
                tr("Run it again with the same parameters, and it goes on from its checkpoint.")
            )
            return {}
        outputs = {"MODEL": result["model"], "PACKAGE": result["package"], "RUN": result["run"]}
        outputs |= {"RESUMED": bool(result["resumed"])}
        error = (result["metrics"].get(result["model"]) or {}).get("rmse")
        if error is not None:
            outputs["RMSE"] = float(error)
        if result["page"]:
            outputs["OUTPUT_HTML"] = result["page"]
        if self.parameterAsBoolean(parameters, "INSTALL", context):
            self._install(Path(result["package"]), feedback)
        return outputs

    def _install(self, package: Path, feedback: QgsProcessingFeedback) -> None:
        try:
            installed = install(package, profile_models(), replace=True)
        except InstallError as error:
            raise QgsProcessingException(
                tr("The model is trained, in {}, but cannot be installed: {}").format(package, error)
            ) from None
        card = installed.card
        replaced = tr("{} {} replaces the one as {}:{} in the toolbox.")
        new = tr("{} {} is installed as {}:{} in the toolbox.")
        told = replaced if installed.replaced else new
        feedback.pushInfo(told.format(card.name, card.version, PROVIDER, card.id))

    def postProcessAlgorithm(
        self, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Let the provider show the model."""
        provider = QgsApplication.processingRegistry().providerById(PROVIDER)
        if hasattr(provider, "refresh_soon"):
            provider.refresh_soon()
        return {}
