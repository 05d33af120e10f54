"""The generic algorithm: any model by id or folder, sources by name."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingParameterString,
)

from ..folders import model_folders
from ..packages.cards import CardError, ModelCard, find_card
from ..translation import tr
from .installed_model import CardAlgorithm
from .raster_input import named_raster, source_lines
from .rasters import InputRaster, RasterProblem


class SuperResolve(CardAlgorithm):
    """Runs a model that is named by a parameter; for scripts, and for models outside the profile."""

    ID = "superresolve"
    TITLE = "Super-resolve with any model"
    ICON = "model"
    TAGS = ("generic", "model", "gan", "deep learning", "script")

    def texts(self) -> dict[str, str]:
        """Return the help."""
        return {
            **super().texts(),
            "": "Makes a coarse raster finer with a model that is named by its id or by the folder of its "
            "package. Every installed model also has an algorithm of its own, which is easier to use.",
            "MODEL": "The id of an installed model, or the folder of a model package.",
            "SOURCES": "Further rasters, one on each line: NAME=RASTER or NAME=RASTER#BAND, with the names "
            "in the model's card (see “Model information”). RASTER is a file or the name of a layer.",
        }

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Add the parameters."""
        self.add_model()
        self.add_target(tr("Target raster (coarse)"))
        self.add(
            QgsProcessingParameterString(
                "SOURCES", tr("Sources (lines of NAME=RASTER#BAND)"), None, True, optional=True
            )
        )
        self.add_dates()
        self.add_run(1.0, with_ensemble=True)

    def check_required(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Refuse a missing model or target, an unknown source and a missing required one."""
        card = self.card_of(parameters, context)
        super().check_required(parameters, context)
        given = dict(source_lines(self, parameters, context))
        for source in card.sources:
            if source.required and source.name not in given:
                raise RasterProblem(
                    tr("{} lacks {} ({}), which {} needs.").format(
                        self.label("SOURCES"), source.name, source.title, card.id
                    )
                )
        if not card.ensemble and self.parameterAsInt(parameters, "MEMBERS", context) > 0:
            raise RasterProblem(
                tr("{} must be 0: {} gives one estimate, no ensemble.").format(self.label("MEMBERS"), card.id)
            )

    def sources_of(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, InputRaster]:
        """Return the rasters of SOURCES."""
        card = self.card_of(parameters, context)
        known = [source.name for source in card.sources]
        rasters = {}
        for name, text in source_lines(self, parameters, context):
            label = f"{self.label('SOURCES')}, {name}"
            if name not in known:
                raise RasterProblem(
                    tr("{}: {} has no such source; it has {}.").format(
                        label, card.id, ", ".join(known) or tr("none")
                    )
                )
            if name in rasters:
                raise RasterProblem(tr("{}: this source stands twice.").format(label))
            rasters[name] = named_raster(text, label, context)
        return rasters

    def card_of(self, parameters: dict[str, Any], context: QgsProcessingContext) -> ModelCard:
        """Return the card of what MODEL names."""
        text = self.parameterAsString(parameters, "MODEL", context).strip()
        if not text:
            raise RasterProblem(tr("{} is missing.").format(self.label("MODEL")))
        try:
            return find_card(text, model_folders())
        except CardError as error:
            raise RasterProblem(f"{self.label('MODEL')}: {error}") from error
