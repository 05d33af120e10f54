"""“Model information”: a model's card as a page."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputBoolean,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterFileDestination,
)

from ...appearance.units import readable
from ...folders import model_folders
from ...packages.cards import CardError, ModelCard, find_card, installed_cards
from ...system_refusals import system_reason
from ...translation import tr
from ..base import MsrAlgorithm
from ..faults import guarded
from ..finer.page import write_page
from ..places import absolute, same_place
from .card_page import card_page


class ModelInfo(MsrAlgorithm):
    """Shows what a model's card says; needs no engine."""

    ID = "modelinfo"
    TITLE = "Model information"
    ICON = "info"
    TAGS = ("card", "metadata", "licence", "accuracy")

    def texts(self) -> dict[str, str]:
        """Return the help."""
        return {
            "": "Shows a model's card: what it makes of which sources, how it was trained and how well it "
            "does beside simple methods.",
            "MODEL": "The id of an installed model, or the folder of a model package.",
            "OUTPUT": "The page to write.",
        }

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Add the parameters."""
        cards, _ = installed_cards(model_folders())
        default = cards[0].id if cards else None
        self.add_model(default)
        self.add(
            QgsProcessingParameterFileDestination(
                "OUTPUT", tr("Page"), tr("HTML files (*.html)"), optional=True
            )
        )
        for name, label in (
            ("ID", tr("Id")),
            ("NAME", tr("Name")),
            ("VERSION", tr("Version")),
            ("UNITS", tr("Units")),
            ("SOURCES", tr("Names of the sources")),
            ("FOLDER", tr("Folder")),
        ):
            self.addOutput(QgsProcessingOutputString(name, label))
        self.addOutput(QgsProcessingOutputNumber("FACTOR", tr("Factor")))
        self.addOutput(QgsProcessingOutputBoolean("ENSEMBLE", tr("Gives ensembles")))

    def checkParameterValues(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> tuple[bool, str]:
        """Refuse a model that is not there."""
        fine, message = super().checkParameterValues(parameters, context)
        if fine:
            try:
                self._card(parameters, context)
            except CardError as error:
                return False, f"{self.label('MODEL')}: {error}"
        return fine, message

    @guarded
    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Write the page."""
        try:
            card = self._card(parameters, context)
        except CardError as error:
            raise QgsProcessingException(str(error)) from None
        page = card_page(card)
        results: dict[str, Any] = {}
        path = absolute(self.parameterAsFileOutput(parameters, "OUTPUT", context))
        if path:
            if any(same_place(path, str(file)) for file in card.folder.rglob("*")):
                raise QgsProcessingException(
                    tr("{} is a file of the model: choose another name.").format(path)
                )
            try:
                write_page(path, page)
            except OSError as error:
                raise QgsProcessingException(
                    tr("{} cannot be written: {}.").format(path, system_reason(error))
                ) from error
            results["OUTPUT"] = path
        feedback.pushInfo(
            f"{card.name} {card.version}: {card.target_title} [{readable(card.units)}], ×{card.factor}"
        )
        return {
            **results,
            "ID": card.id,
            "NAME": card.raw["name"] or card.id,  # for scripts: in no language
            "VERSION": card.version,
            "UNITS": card.units,
            "SOURCES": ",".join(source.name for source in card.sources),
            "FOLDER": str(card.folder),
            "FACTOR": card.factor,
            "ENSEMBLE": card.ensemble,
        }

    def _card(self, parameters: dict[str, Any], context: QgsProcessingContext) -> ModelCard:
        return find_card(self.parameterAsString(parameters, "MODEL", context).strip(), model_folders())
