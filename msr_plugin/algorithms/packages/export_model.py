"""Hands on a model: its package as one file, and as an Item of a STAC catalogue."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputString,
    QgsProcessingParameterFileDestination,
)

from ...folders import model_folders
from ...packages.cards import CardError, find_card, installed_cards
from ...translation import tr
from ..base import MsrAlgorithm
from ..destinations import given_path
from ..engine_run import run_engine
from ..faults import guarded


class ExportModel(MsrAlgorithm):
    """Writes a model package as a zip, which “Install a model” takes, and as STAC JSON for catalogues."""

    ID = "exportmodel"
    TITLE = "Export a model"
    ICON = "install"
    NEEDS_ENGINE = True
    TAGS = ("package", "zip", "share", "stac", "mlm", "catalogue", "catalog")

    def texts(self) -> dict[str, str]:
        """Return the help."""
        return {
            "": "Writes a model as one zip file, to be installed elsewhere, and, where it is wanted, as "
            "an Item for a STAC catalogue, by the Machine Learning Model extension 1.5. Each file's size "
            "and hash are checked before.",
            "MODEL": "The id of an installed model, or the folder of a model package.",
            "OUTPUT": "The zip file to write.",
            "STAC": "The JSON file to write. It leads to the zip file, or, without one, to the model's "
            "weights.",
        }

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Add the parameters."""
        cards, _ = installed_cards(model_folders())
        default = cards[0].id if cards else None
        self.add_model(default)
        self.add(
            QgsProcessingParameterFileDestination(
                "OUTPUT", tr("Model package"), tr("Zip files (*.zip)"), optional=True
            )
        )
        self.add(
            QgsProcessingParameterFileDestination(
                "STAC", tr("STAC item"), tr("JSON files (*.json)"), None, True, False
            )
        )
        for name, label in (("ID", "Id"), ("NAME", "Name"), ("VERSION", "Version")):
            self.addOutput(QgsProcessingOutputString(name, tr(label)))

    def checkParameterValues(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> tuple[bool, str]:
        """Refuse a model that is not there, and a run that would write nothing."""
        fine, message = super().checkParameterValues(parameters, context)
        if not fine:
            return fine, message
        try:
            find_card(self.parameterAsString(parameters, "MODEL", context).strip(), model_folders())
        except CardError as error:
            return False, f"{self.label('MODEL')}: {error}"
        if all(given_path(parameters.get(name), context) is None for name in ("OUTPUT", "STAC")):
            return False, tr("Name {} or {}: nothing would be written.").format(
                self.label("OUTPUT"), self.label("STAC")
            )
        return True, ""

    @guarded
    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Let the engine check and write the package."""
        files: dict[str, str | None] = {}
        for name in ("OUTPUT", "STAC"):
            path = given_path(parameters.get(name), context)
            if path == "":  # a temporary file, of which QGIS chooses the name
                path = self.parameterAsFileOutput(parameters, name, context)
            files[name] = path
        request = {
            "model": self.parameterAsString(parameters, "MODEL", context).strip(),
            "models": [str(folder) for folder in model_folders()],
            "output": files["OUTPUT"],
            "stac": files["STAC"],
        }
        result = run_engine("export_package", request, feedback)
        if result is None:
            return {}
        written = {name: path for name, path in files.items() if path}
        feedback.pushInfo(tr("Wrote {}.").format(", ".join(written.values())))
        return {"ID": result["id"], "NAME": result["name"], "VERSION": result["version"], **written}
