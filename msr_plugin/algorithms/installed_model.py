"""One algorithm for each installed model, made from its card."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qgis.core import QgsProcessingContext, QgsProcessingParameterBand

from ..appearance.style import Look
from ..appearance.units import readable
from ..packages.cards import CardSource, ModelCard
from ..translation import tr
from .base_super_resolution import SuperResolutionAlgorithm, of_parts
from .raster_input import RasterInput
from .rasters import InputRaster, RasterProblem

SHOWN = 3  # sources at most that a dialog shows at once, unless more are required


class CardAlgorithm(SuperResolutionAlgorithm):
    """An algorithm whose model has a card; subclasses say which (`card_of`)."""

    def card_of(self, parameters: dict[str, Any], context: QgsProcessingContext) -> ModelCard:
        """Return the card of the model that runs.

        Raises:
            RasterProblem: there is none.
        """
        raise RasterProblem(tr("{} names no model.").format(self.displayName()))

    def model_of(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        """Return the package's folder, which no other package can shadow."""
        return {"model": str(self.card_of(parameters, context).folder)}

    def factor_of(self, parameters: dict[str, Any], context: QgsProcessingContext) -> int:
        """Return the card's factor."""
        return self.card_of(parameters, context).factor

    def why_dated(
        self, parameters: dict[str, Any], context: QgsProcessingContext, sources: dict[str, InputRaster]
    ) -> str:
        """Return why the run cannot do without a date, "" where it can."""
        return why_dated(self.card_of(parameters, context), sources)

    def look_of(self, parameters: dict[str, Any], context: QgsProcessingContext) -> Look:
        """Return colours for the card's target."""
        return look_of(self.card_of(parameters, context))


class ModelAlgorithm(CardAlgorithm):
    """A trained model; its id is the card's."""

    GROUP = ("models", "Models")
    ICON = "model"

    def __init__(self, card: ModelCard) -> None:
        super().__init__()
        self.card = card

    def createInstance(self) -> ModelAlgorithm:
        """Return a fresh one for the same card."""
        return ModelAlgorithm(self.card)

    def name(self) -> str:
        """Return the card's id."""
        return self.card.id

    def displayName(self) -> str:
        """Return the card's name."""
        return self.card.name

    def tags(self) -> list[str]:
        """Return the words of target and sources."""
        words = [self.card.target_title, *(s.name for s in self.card.sources), "gan", "deep learning"]
        return [*super().tags(), *words]

    def texts(self) -> dict[str, str]:
        """Return the help; the model's own part comes from its card."""
        card = self.card
        about = card.description or card.name
        made = tr("Version {}, {} × {} fine cells for each coarse one.").format(
            card.version, card.factor, card.factor
        )
        if card.ensemble:
            made += tr(" It can draw ensembles, and tell how much of the detail the sources support.")
        if card.assumption:
            made += "\n" + tr(
                "It learned without fine truth, from coarse fields and their own averages, and assumes: {}"
            ).format(card.assumption)
        texts = {**super().texts(), "": f"{about}\n{made}"}
        units = (
            tr(" in {} (others are converted)").format(readable(card.units)) if readable(card.units) else ""
        )
        texts["TARGET"] = tr(
            "{}{}, coarse. A file that GDAL reads, with a coordinate reference system; in "
            "scripts also FILE:VARIABLE, such as era5.nc:t2m."
        ).format(card.target_title, units)
        for source in card.sources:
            texts[source.parameter] = _source_text(source)
            texts[band_parameter(source)] = texts["TARGET_BAND"]
        return texts

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Add target, sources, date and what all share."""
        card = self.card
        self.add_target(_with_units(card.target_title, card.units))
        first, rest = by_worth(card.sources)
        for source in (*first, *rest):
            label = _with_units(source.title, source.units)
            self.add(RasterInput(source.parameter, label, None, not source.required), source in rest)
            if not source.climatology:  # all its bands are used
                band = QgsProcessingParameterBand(
                    band_parameter(source),
                    tr("{}: band").format(source.title),
                    None,
                    source.parameter,
                    optional=True,
                )
                self.add(band, advanced=True)
        self.add_dates(advanced=not card.needs_date)  # the target may have several dates all the same
        self.add_run(card.strength, with_ensemble=card.ensemble)

    def check_required(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Refuse a missing target or required source by name."""
        super().check_required(parameters, context)
        for source in self.card.sources:
            if source.required and not self.is_given(parameters, source.parameter, context):
                raise RasterProblem(
                    tr("{} is missing; this model needs it.").format(self.label(source.parameter))
                )

    def sources_of(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, InputRaster]:
        """Return the sources that the user gave."""
        rasters = {}
        for source in self.card.sources:
            band = None if source.climatology else band_parameter(source)
            raster = self.raster(parameters, source.parameter, context, band)
            if raster is not None:
                rasters[source.name] = raster
        return rasters

    def card_of(self, parameters: dict[str, Any], context: QgsProcessingContext) -> ModelCard:
        """Return the model's card."""
        return self.card


def by_worth(sources: Iterable[CardSource]) -> tuple[list[CardSource], list[CardSource]]:
    """Return the sources that a dialog shows at once, and those among its advanced ones.

    Required ones come first, then a climatology, then what is finer than the target, which alone knows where
    the detail lies, then what changes with the date.
    """
    order = sorted(sources, key=lambda s: (not s.required, not s.climatology, s.dynamic))
    if len(order) <= SHOWN:
        return order, []
    needed = sum(source.required for source in order)
    shown = max(needed, min(SHOWN, sum(source.required or not source.dynamic for source in order)), 1)
    return order[:shown], order[shown:]


def band_parameter(source: CardSource) -> str:
    """Return the name of a source's band parameter."""
    return f"{source.parameter}_BAND"


def look_of(card: ModelCard) -> Look:
    """Return how results of a model are to look."""
    return Look(card.units, card.transform, card.lower_bound, subject=card.target_title)


def why_dated(card: ModelCard, sources: dict[str, InputRaster]) -> str:
    """Return why a model cannot do without a date, "" where it can."""
    for source in card.sources:
        if source.climatology and source.name in sources and (why := of_parts(sources[source.name])):
            return why
    return tr("the model looks at the season") if card.season else ""


def _with_units(title: str, units: str) -> str:
    return f"{title} [{readable(units)}]" if units and units != "1" else title


def _source_text(source: CardSource) -> str:
    kind = tr(": a climatology, one band for each month or day") if source.climatology else ""
    change = tr(", which changes from date to date") if source.dynamic else ""
    if source.has_default:
        rest = tr("Left empty, the raster that comes with the model is used.")
    else:
        rest = tr("Required.") if source.required else tr("May be left out.")
    units = (
        tr(" in {} (others are converted)").format(readable(source.units))
        if source.units and source.units != "1"
        else ""
    )
    return f"{source.title}{units}{kind}{change}. {rest}"
