"""“Make my raster finer”: a coarse raster and whatever else there is, in one short form."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingParameterBand,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterRasterDestination,
)

from ...appearance.zarr_layer import shown_source
from ...compat import push_warning
from ...system_refusals import system_reason
from ...translation import tr
from .. import grid_parameters, output_format, told
from ..base_super_resolution import AGGREGATIONS, SuperResolutionAlgorithm
from ..destinations import Destination, given_path
from ..faults import guarded
from ..places import absolute
from ..raster_input import RasterInput
from ..rasters import InputRaster, RasterProblem
from ..simple_methods import QUANTITIES, TOLD
from . import covariate_kinds
from .covariates import NAME, RasterList, covariates_of
from .grid_window import window_on_target
from .help_page import finer_help
from .page import check_page, lines, page, write_page
from .picture import PicturedBand, pictures
from .result_words import five_lines, units_of

METHOD = "sharpen"
LEAST, MOST = 2, 100  # of the factor
PAGE = "OUTPUT_HTML"
_GRID = ("REFERENCE", "EXTENT", "RESOLUTION", "CRS")


class Sharpening(SuperResolutionAlgorithm):
    """The method `sharpen` with a form of its own: layers picked from a list, all dates, few questions."""

    ID = "sharpen"
    TITLE = "Make my raster finer"
    GROUP = ("begin", "Begin here")
    ICON = "msr"
    TAGS = ("sharpen", "finer", "resolution", "covariate", "interpolation", "enhance", "begin")

    def __init__(self) -> None:
        super().__init__()
        self._results: dict[str, Any] = {}

    def helpUrl(self) -> str:
        """Return the page with more help."""
        return finer_help()

    def texts(self) -> dict[str, str]:
        """Return the help."""
        return {
            **super().texts(),
            covariate_kinds.NAME: covariate_kinds.TEXT,
            "": "Makes a coarse raster finer with the help of finer rasters that it may depend on, such as "
            "elevation or vegetation, and needs neither a model nor fine truth. It learns from the coarse "
            "raster itself how its detail follows them, and uses of that what proved itself there; where "
            "nothing does, the result is smooth interpolation, and it says so. The means over the coarse "
            "cells are kept.",
            "TARGET": "The coarse raster, or a stack with a band for each date. A file that GDAL reads, "
            "with a coordinate reference system; in scripts also FILE:VARIABLE, such as era5.nc:t2m.",
            NAME: "Finer rasters that the values may depend on, as many as you like: numbers, classes (land "
            "cover) or directions. Without any the result is smooth interpolation.",
            "REFERENCE": "A raster whose grid the output takes. Empty: the first covariate's, as far as "
            "the coarse raster reaches, unless a factor is given.",
            "FACTOR": "Fine cells along the edge of a coarse one, in place of a reference grid: the "
            "target's own cells are divided, and their means are kept exactly.",
            "QUANTITY": "nonnegative is like rain, never below 0 and corrected by ratio; signed is like "
            "temperature, corrected by difference. auto goes by units and values.",
            "ALL_DATES": "Make one band for each date of the target, unless a date or a band is given. The "
            "dates learn from each other.",
            "DATE": "Make the raster of this date alone: YYYY-MM-DD, YYYY-MM-DDTHH:MM (UTC), YYYY-MM, or MM "
            "for a month of any year.",
            "OUTPUT_EXPECTED_ERROR": "The root mean square error to reckon with in each cell, in the "
            "target's units.",
            "OUTPUT_SUPPORT": "The part of all fine detail to expect that the covariates give, 0 to 1. "
            "Where it is low, the result is smoother than the truth.",
            PAGE: "A page that says in five lines what was done, what is gained over interpolation and how "
            "sure that is, with coarse and fine side by side.",
        }

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Add the parameters."""
        self.add(RasterInput("TARGET", tr("Coarse raster")))
        self.add(RasterList(NAME, tr("Covariates (finer rasters)")))
        self.add(RasterInput("REFERENCE", tr("Output grid as of this raster"), None, optional=True))
        self.add_integer("FACTOR", tr("Or times finer (factor)"), None, LEAST, MOST, optional=True)
        self._add_advanced()
        self.add(QgsProcessingParameterRasterDestination("OUTPUT", tr("Finer raster")))
        for name, (_, label) in TOLD.items():
            self.add(
                QgsProcessingParameterRasterDestination(
                    name, tr(label), None, optional=True, createByDefault=False
                )
            )
        html = tr("HTML files (*.html)")
        self.add(QgsProcessingParameterFileDestination(PAGE, tr("What came of it"), html, optional=True))
        self.add_numbers()

    def _add_advanced(self) -> None:
        self.add(
            QgsProcessingParameterBand("TARGET_BAND", tr("Target: band"), None, "TARGET", optional=True), True
        )
        self.add(QgsProcessingParameterBoolean("ALL_DATES", tr("All dates of the target"), True), True)
        self.add_date(advanced=True)
        self.add_choice("AGGREGATE", tr("Steps of each date"), AGGREGATIONS, AGGREGATIONS[0], advanced=True)
        self.add_choice("QUANTITY", tr("Kind of quantity"), QUANTITIES, "auto", advanced=True)
        grid_parameters.add_extent(self)
        self.add(RasterInput("DOMAIN", tr("Domain"), None, optional=True), True)
        self.add_number("CONSERVATION", tr("Conservation strength"), 1.0, 0.0, 1.0, advanced=True)
        self.add_device()
        told.add_input(self)
        covariate_kinds.add_input(self)
        output_format.add_input(self)
        self.add_integer("TILE", tr("Tile size (coarse cells)"), 0, 0, 100_000, advanced=True)
        self.add(QgsProcessingParameterBoolean("ALIKE", tr("Coarse layer in the same colours"), False), True)

    @guarded
    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Run the job; the page is written once it is done."""
        results = super().processAlgorithm(parameters, context, feedback)
        path = absolute(self.parameterAsFileOutput(parameters, PAGE, context)) if results else ""
        self._results = {**results, PAGE: path} if path else results
        return self._results

    def postProcessAlgorithm(
        self, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Write the page (on the main thread, which draws); the raster stays where that fails."""
        path = self._results.get(PAGE)
        if path:
            try:
                write_page(path, self._page())
            except OSError as error:
                push_warning(feedback, f"{self.label(PAGE)}: {path}: {system_reason(error)}.")
        return self._results

    def _page(self) -> str:
        """Return the page of a run that is done."""
        request, result = self._request, self._result
        first = f", {result['dates'][0]}" if result.get("dates") else ""
        fine = PicturedBand(shown_source(result["output"]), 1, tr("Finer raster") + first)
        words = five_lines(result, request["target"]["path"], request["conservation"])
        warnings = result.get("warnings") or []
        parts = [lines(words), pictures(fine, self._coarse(first), units_of(result))]
        if warnings:
            parts.append(f"<h2>{tr('Warnings')}</h2>{lines([self._words(text) for text in warnings])}")
        return page(tr(self.TITLE), parts)

    def _coarse(self, first: str) -> list[PicturedBand]:
        """Return the coarse band of the first fine one, where it is known which one that is."""
        request, target = self._request, self._request["target"]
        scaled = {"scale", "offset", "units"} & {key for key, value in target.items() if value is not None}
        dated = request.get("date") and target["band"] is None
        if scaled or dated or request.get("aggregate"):
            return []
        return [PicturedBand(target["path"], target["band"] or 1, tr("Coarse raster") + first)]

    def check_required(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Refuse two ways to say the grid, and none."""
        super().check_required(parameters, context)
        check_page(self.label(PAGE), given_path(parameters.get(PAGE), context))
        given = [name for name in (*_GRID, "FACTOR") if self.is_given(parameters, name, context)]
        if {"REFERENCE", "FACTOR"} <= set(given):
            raise RasterProblem(
                tr("{} already says how fine the output is: leave {} empty, or give no reference.").format(
                    self.label("REFERENCE"), self.label("FACTOR")
                )
            )
        if not {"REFERENCE", "FACTOR", "RESOLUTION"} & set(given) and (
            given or not covariates_of(self, parameters, context)
        ):
            raise RasterProblem(
                tr(
                    "{} is missing: how many times finer is the output to be? A covariate or a reference "
                    "grid would say it too."
                ).format(self.label("FACTOR"))
            )

    def model_of(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        """Return method, factor and kind of quantity; without a factor the engine takes the grid's."""
        given = self.is_given(parameters, "FACTOR", context)
        return {
            "model": METHOD,
            "factor": self.factor_of(parameters, context) if given else None,
            "quantity": self.parameterAsString(parameters, "QUANTITY", context) or "auto",
        }

    def factor_of(self, parameters: dict[str, Any], context: QgsProcessingContext) -> int:
        """Return the factor, the least one where a grid says it."""
        if not self.is_given(parameters, "FACTOR", context):
            return LEAST
        factor = self.parameterAsInt(parameters, "FACTOR", context)
        if not LEAST <= factor <= MOST:
            raise RasterProblem(tr("{} must be from {} to {}.").format(self.label("FACTOR"), LEAST, MOST))
        return factor

    def sources_of(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, InputRaster]:
        """Return the covariates by the names that their layers give them."""
        return covariates_of(self, parameters, context)

    def why_dated(
        self, parameters: dict[str, Any], context: QgsProcessingContext, sources: dict[str, InputRaster]
    ) -> str:
        """Return "": a covariate of several bands counts as a whole where there is no date."""
        return ""

    def further_files(self, request: dict[str, Any]) -> tuple[str, ...]:
        """Return the parameters of what the method tells beside its result."""
        return tuple(TOLD)

    def further_destinations(
        self, parameters: dict[str, Any], context: QgsProcessingContext, request: dict[str, Any]
    ) -> list[Destination]:
        """Return the files of it that are asked for."""
        paths = {name: given_path(parameters.get(name), context) for name in TOLD}
        return [
            Destination(name, self.label(name), path, 1) for name, path in paths.items() if path is not None
        ]

    def with_files(self, request: dict[str, Any], files: dict[str, str]) -> dict[str, Any]:
        """Return a request with the outputs' files, by their parameters' names."""
        return {**request, "output": files["OUTPUT"], **{TOLD[n][0]: files[n] for n in TOLD if n in files}}

    def _rasters(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, InputRaster]:
        """Return target, reference and domain; the first covariate is the reference where nothing is said."""
        rasters = super()._rasters(parameters, context)
        if not self._says_grid(parameters, context):
            rasters["REFERENCE"] = next(iter(covariates_of(self, parameters, context).values()))
        return rasters

    def _says_grid(self, parameters: dict[str, Any], context: QgsProcessingContext) -> bool:
        """Return whether the user says which grid; else the first covariate's is taken, on the target."""
        return any(self.is_given(parameters, name, context) for name in (*_GRID, "FACTOR"))

    def _make_request(
        self, parameters: dict[str, Any], context: QgsProcessingContext, rasters: dict[str, InputRaster]
    ) -> dict[str, Any]:
        request = super()._make_request(parameters, context, rasters)
        if not self._says_grid(parameters, context):
            transforms = context.transformContext()
            part = window_on_target(rasters["REFERENCE"], rasters["TARGET"], transforms)
            request["grid"] = part or request["grid"]
        one = request.get("date") or request["target"]["band"] is not None
        return {**request, "all_dates": request["all_dates"] and not one}
