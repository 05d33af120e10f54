"""Takes an installed model out of the profile."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsApplication,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputString,
    QgsProcessingParameterString,
)

from ...compat import set_hints
from ...folders import profile_models
from ...packages.model_removal import RemovalError, removable, remove
from ...translation import tr
from ..base import MsrAlgorithm
from ..faults import guarded

PROVIDER = "msr"


class RemoveModel(MsrAlgorithm):
    """Removes a model that was installed into this profile; its algorithm goes at once."""

    ID = "removemodel"
    TITLE = "Remove a model"
    ICON = "install"
    TAGS = ("package", "uninstall", "delete")

    def texts(self) -> dict[str, str]:
        """Return the help."""
        return {
            "": "Removes a model that is installed in this profile, and its algorithm with it. The models "
            "that MSR ships, and packages elsewhere, stay.",
            "MODEL": "The id of the model.",
        }

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Add the parameters."""
        model = QgsProcessingParameterString("MODEL", tr("Model (id)"))
        if ids := removable(profile_models()):
            set_hints(model, ids)
        self.add(model)
        self.addOutput(QgsProcessingOutputString("MODEL", tr("Id of the model")))
        self.addOutput(QgsProcessingOutputString("FOLDER", tr("Folder that is gone")))

    def checkParameterValues(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> tuple[bool, str]:
        """Refuse a model that is not installed in the profile."""
        fine, message = super().checkParameterValues(parameters, context)
        if not fine:
            return fine, message
        wanted = self.parameterAsString(parameters, "MODEL", context).strip()
        there = removable(profile_models())
        if wanted in there:
            return True, ""
        return False, tr("{}: “{}” is not installed in this profile (there are: {}).").format(
            self.label("MODEL"), wanted, ", ".join(there) or tr("none")
        )

    @guarded
    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Remove the folder."""
        id = self.parameterAsString(parameters, "MODEL", context).strip()
        try:
            folder = remove(id, profile_models())
        except RemovalError as error:
            raise QgsProcessingException(str(error)) from None
        feedback.pushInfo(tr("{} is removed from this profile.").format(id))
        return {"MODEL": id, "FOLDER": str(folder)}

    def postProcessAlgorithm(
        self, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Let the provider forget the model."""
        provider = QgsApplication.processingRegistry().providerById(PROVIDER)
        if hasattr(provider, "refresh_soon"):
            provider.refresh_soon()
        return {}
