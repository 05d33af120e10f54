"""Installs a model package into the profile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsApplication,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputString,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFile,
)

from ...compat import FILE
from ...folders import profile_models
from ...packages.model_install import InstallError, install
from ...translation import tr
from ...worker.engine_process import WorkerCancelled, WorkerError
from ...worker.engine_service import SERVICE
from ...worker.environment import find_engine
from ..base import MsrAlgorithm
from ..engine_run import Reporter
from ..faults import guarded

PROVIDER = "msr"


class InstallModel(MsrAlgorithm):
    """Checks a package and puts it into the profile; its algorithm appears at once."""

    ID = "installmodel"
    TITLE = "Install a model"
    ICON = "install"
    TAGS = ("package", "zip", "add", "import")

    def texts(self) -> dict[str, str]:
        """Return the help."""
        return {
            "": "Installs a model package, so that the model becomes an algorithm of its own. Names, sizes "
            "and hashes of the files are checked, and nothing in the package is run.",
            "INPUT": "The zip file of a model package; or its folder, or the card.json in it.",
            "REPLACE": "Replace a model of the same id that is installed in this profile.",
        }

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Add the parameters."""
        self.add(
            QgsProcessingParameterFile(
                "INPUT",
                tr("Model package"),
                FILE,
                fileFilter=tr("Model packages (*.zip card.json);;All files (*)"),
            )
        )
        self.add(QgsProcessingParameterBoolean("REPLACE", tr("Replace an installed model"), False))
        self.addOutput(QgsProcessingOutputString("MODEL", tr("Id of the model")))
        self.addOutput(QgsProcessingOutputString("VERSION", tr("Version")))
        self.addOutput(QgsProcessingOutputString("FOLDER", tr("Folder")))

    @guarded
    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Check, copy and move the package."""
        source = Path(self.parameterAsString(parameters, "INPUT", context)).expanduser()
        replace = self.parameterAsBoolean(parameters, "REPLACE", context)

        def inspect(folder: Path) -> None:
            _inspect(folder, feedback)

        try:
            installed = install(source, profile_models(), replace, feedback.isCanceled, inspect)
        except InstallError as error:
            if feedback.isCanceled():
                return {}
            raise QgsProcessingException(str(error)) from None
        card = installed.card
        replaced, new = tr("{} {} is replaced as {}:{}."), tr("{} {} is installed as {}:{}.")
        told = replaced if installed.replaced else new
        feedback.pushInfo(told.format(card.name, card.version, PROVIDER, card.id))
        return {"MODEL": card.id, "VERSION": card.version, "FOLDER": str(card.folder)}

    def postProcessAlgorithm(
        self, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Let the provider show the model."""
        provider = QgsApplication.processingRegistry().providerById(PROVIDER)
        if hasattr(provider, "refresh_soon"):
            provider.refresh_soon()
        return {}


def _inspect(folder: Path, feedback: QgsProcessingFeedback) -> None:
    """Let the engine check the copy against its schema, where there is an engine.

    Raises:
        InstallError: the engine would refuse it.
    """
    problem = find_engine().problem
    if problem:
        feedback.pushInfo(tr("There is no engine yet, so the card was checked in outline only."))
        return
    try:
        SERVICE.run("check_package", {"folder": str(folder)}, Reporter(feedback), feedback.isCanceled)
    except WorkerCancelled as error:
        raise InstallError(tr("Cancelled.")) from error
    except WorkerError as error:
        if error.kind in ("input", "package"):
            raise InstallError(str(error)) from error
        feedback.pushInfo(tr("The engine could not check the card: {}").format(error))
