"""“Compare methods on my raster”: the engine lets each bring back what is known; this is the form for it."""

from __future__ import annotations

import re
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterBand,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterString,
)

from ...appearance.style import Look, style_when_loaded
from ...folders import profile_models
from ...translation import tr
from ...worker.phases import title_words
from .. import told
from ..base_super_resolution import SuperResolutionAlgorithm, reference_of
from ..destinations import Destination, given_path
from ..dialog_words import DialogWords
from ..engine_run import run_engine
from ..faults import guarded
from ..places import absolute
from ..preflight import check_date, check_distinct, check_outputs, check_overlap
from ..raster_input import RasterInput
from ..rasters import InputRaster, RasterProblem
from ..simple_methods import QUANTITIES
from ..simple_methods import SOURCES as NAMED
from . import covariate_kinds
from .covariates import NAME, RasterList, covariates_of, unique
from .help_page import finer_help
from .page import check_page

LEAST, MOST = 2, 100  # of the factor
PAGE, TABLE = "OUTPUT_HTML", "OUTPUT_TABLE"
# Output: the request's key, and the label.
MAPS = {
    "OUTPUT_DIFFERENCES": ("differences", "Differences, one level up"),
    "OUTPUT_TRUTH_DIFFERENCES": ("truth_differences", "Differences from the finer raster"),
}
FILES = {**{name: key for name, (key, _) in MAPS.items()}, PAGE: "page", TABLE: "table"}
# Level of the engine's result: the outputs that tell its best method and that one's ratio.
BEST = {"up": ("BEST_UP", "RATIO_UP"), "truth": ("BEST_TRUTH", "RATIO_TRUTH")}


class CompareMethods(SuperResolutionAlgorithm):
    """All methods that fit, one level up, and against a finer raster where there is one."""

    ID = "comparemethods"
    TITLE = "Compare methods on my raster"
    ICON = "baseline"
    TAGS = ("compare", "validation", "benchmark", "rmse", "error", "which method", "accuracy")

    def helpUrl(self) -> str:
        """Return the page with more help."""
        return finer_help()

    def texts(self) -> dict[str, str]:
        """Return the help."""
        return {
            **super().texts(),
            covariate_kinds.NAME: covariate_kinds.TEXT,
            "": "Tells which method suits a raster, as far as the raster itself can tell: it is averaged "
            "once more, every method brings it back, and each is compared with it. With a finer raster of "
            "the same quantity, of one date or of a part, they are compared with that too. Compared are all "
            "simple methods whose rasters are given, and the installed models for the same quantity and "
            "cells.\nOne level up is not the level asked for: a method that is best there need not be best "
            "below the coarse cells. The page says what else such a comparison cannot tell.",
            "TARGET": "The coarse raster, or a stack with a band for each date.",
            NAME: "Finer rasters that the values may depend on, for “Make my raster finer” (sharpen).",
            "ELEVATION": "The height of the ground on a fine grid, for the methods that need it by name.",
            "CLIMATOLOGY": "The target's climatology on a fine grid, one band for each month or day of the "
            "year, for the methods that need it.",
            "TRUTH": "A finer raster of the same quantity, to compare with as well. Of several dates it "
            "needs bands with dates.",
            "TRUTH_BAND": "The band to use. Not set: those that the target's dates pick.",
            "FACTOR": "Fine cells along the edge of a coarse one, by which the raster is averaged too, or by "
            "the largest that leaves enough cells. Empty: as the finer raster says.",
            "METHODS": "The ids of the methods to compare, with commas between them: bilinear, sharpen. "
            "Empty: all that fit.",
            "DATE": "Compare on this date alone. Empty: on all dates of the target, of many on twelve.",
            "QUANTITY": "nonnegative is like rain, never below 0 and corrected by ratio; signed is like "
            "temperature, corrected by difference. auto goes by units and values.",
            PAGE: "The comparison as a page.",
            TABLE: "The same as a table (CSV): method, root mean square error, its ratio to smoothly "
            "conserved bicubic interpolation, bias.",
            "OUTPUT_DIFFERENCES": "Made minus known, one level up, a band for each method and date; a "
            "GeoTIFF.",
            "OUTPUT_TRUTH_DIFFERENCES": "Made minus the finer raster, likewise.",
        }

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Add the parameters."""
        self.add(RasterInput("TARGET", tr("Coarse raster")))
        self.add(RasterList(NAME, tr("Covariates (finer rasters)")))
        self.add(RasterInput("ELEVATION", tr("Elevation"), None, optional=True))
        self.add(RasterInput("CLIMATOLOGY", tr("Climatology"), None, optional=True))
        self.add(RasterInput("TRUTH", tr("Finer raster to compare with"), None, optional=True))
        self.add_integer("FACTOR", tr("Times finer (factor)"), None, LEAST, MOST, optional=True)
        for name, label, of in (
            ("TARGET_BAND", tr("Target: band"), "TARGET"),
            ("TRUTH_BAND", tr("Finer raster: band"), "TRUTH"),
        ):
            self.add(QgsProcessingParameterBand(name, tr(label), None, of, optional=True), True)
        self.add_date(advanced=True)
        self.add(QgsProcessingParameterString("METHODS", tr("Methods"), None, optional=True), True)
        self.add_choice("QUANTITY", tr("Kind of quantity"), QUANTITIES, "auto", advanced=True)
        self.add_device()
        told.add_input(self)
        covariate_kinds.add_input(self)
        html, csv = tr("HTML files (*.html)"), tr("CSV files (*.csv)")
        self.add(QgsProcessingParameterFileDestination(PAGE, tr("Comparison"), html, optional=True))
        self.add(QgsProcessingParameterFileDestination(TABLE, tr("Table"), csv), True)
        for name, (_, label) in MAPS.items():
            self.add(
                QgsProcessingParameterRasterDestination(
                    name, tr(label), None, optional=True, createByDefault=False
                ),
                advanced=True,
            )
        for level, (best, ratio) in BEST.items():
            where = tr("one level up") if level == "up" else tr("against the finer raster")
            self.addOutput(QgsProcessingOutputString(best, tr("Best method {where}").format(where=where)))
            words = tr("Its error over that of smooth interpolation, {where}").format(where=where)
            self.addOutput(QgsProcessingOutputNumber(ratio, words))

    def check_required(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Refuse a comparison without a factor, and files that no level fills."""
        super().check_required(parameters, context)
        has_truth = self.is_given(parameters, "TRUTH", context)
        if not has_truth and not self.is_given(parameters, "FACTOR", context):
            raise RasterProblem(
                tr("{} is missing: how many times finer is the raster to be? {} would say it too.").format(
                    self.label("FACTOR"), self.label("TRUTH")
                )
            )
        differences = "OUTPUT_TRUTH_DIFFERENCES"
        if not has_truth and given_path(parameters.get(differences), context) is not None:
            raise RasterProblem(tr("{} needs {}.").format(self.label(differences), self.label("TRUTH")))
        check_page(self.label(PAGE), given_path(parameters.get(PAGE), context))
        check_page(self.label(TABLE), given_path(parameters.get(TABLE), context), (".csv",))

    def sources_of(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, InputRaster]:
        """Return elevation and climatology by these names, and the other covariates by their layers'."""
        return self._named_sources(parameters, context)[0]

    def names_of_layers(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, str]:
        """Return the engine's names of the listed covariates: one called elevation is no ELEVATION."""
        return self._named_sources(parameters, context)[1]

    def _named_sources(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> tuple[dict[str, InputRaster], dict[str, str]]:
        """Return the sources, and the names of those on the list by what their layers call them."""
        named = {source: self.raster(parameters, name, context) for name, source in NAMED.items()}
        sources = {source: raster for source, raster in named.items() if raster is not None}
        names: dict[str, str] = {}
        for name, raster in covariates_of(self, parameters, context).items():
            same = [taken for taken, other in sources.items() if raster.path == other.path]
            names[name] = same[0] if same else unique(name, sources)  # each counts once
            sources.setdefault(names[name], raster)
        return sources, names

    @guarded
    def prepareAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        """Take from the layers what the run needs: paths, bands, CRSs."""
        parameters = self._with_layers(parameters, context)
        try:
            inputs = self._inputs(parameters, context)
            self._request = self._compare_request(parameters, context, inputs)
            self._words = DialogWords.of(self, inputs)
        except RasterProblem as problem:
            raise QgsProcessingException(str(problem)) from None
        return True

    @guarded
    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Run the job in the engine."""
        given = {name: self.parameterAsOutputLayer(parameters, name, context) for name in MAPS}
        given |= {name: self.parameterAsFileOutput(parameters, name, context) for name in (PAGE, TABLE)}
        files = {name: absolute(path) for name, path in given.items() if path}
        request = {**self._request, **{FILES[name]: path for name, path in files.items()}}
        result = run_engine("compare_methods", request, feedback, list(files.values()), self._words)
        if result is None:
            return {}
        for name in MAPS:
            if name in files:
                style_when_loaded(given[name], Look(), context)
        numbers: dict[str, Any] = {}
        for level, (best, ratio) in BEST.items():
            rows = [row for row in result.get("rows") or [] if row.get("level") == level]
            numbers |= {best: None, ratio: None}
            for row in [row for row in rows if row.get("rmse") is not None][:1]:
                numbers |= {best: row.get("method"), ratio: row.get("ratio")}
        for row in result.get("rows") or []:
            feedback.pushInfo(_line(row))
        for text in result.get("cannot_tell") or []:
            feedback.pushInfo(str(text))
        written = set((result.get("outputs") or {}).keys())
        return {**{name: path for name, path in files.items() if FILES[name] in written}, **numbers}

    def _inputs(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, InputRaster]:
        """Return all rasters by the engine's names, target first."""
        target = self.raster(parameters, "TARGET", context, "TARGET_BAND")
        if target is None:
            raise RasterProblem(tr("{} is missing.").format(self.label("TARGET")))
        truth = self.raster(parameters, "TRUTH", context, "TRUTH_BAND")
        inputs = {"target": target, **self.sources_of(parameters, context)}
        return inputs if truth is None else {**inputs, "truth": truth}

    def _compare_request(
        self, parameters: dict[str, Any], context: QgsProcessingContext, inputs: dict[str, InputRaster]
    ) -> dict[str, Any]:
        said = told.request_of(self, parameters, context, inputs)
        references = {name: {**reference_of(r), **said.get(name, {})} for name, r in inputs.items()}
        request: dict[str, Any] = {"target": references.pop("target")}
        if "truth" in references:
            request["truth"] = references.pop("truth")
        if self.is_given(parameters, "FACTOR", context):
            request["factor"] = self.parameterAsInt(parameters, "FACTOR", context)
        listed = re.split(r"[\s,;]+", self.parameterAsString(parameters, "METHODS", context) or "")
        date = self._date(parameters, context)
        return {
            **request,
            "sources": references,
            "methods": [method for method in listed if method],
            "quantity": self.parameterAsString(parameters, "QUANTITY", context) or "auto",
            "device": self.parameterAsString(parameters, "DEVICE", context).strip() or "auto",
            "models": [str(profile_models())],
            **({"date": date} if date else {}),
        }

    def _check(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Refuse what can be known before the run."""
        inputs = self._inputs(parameters, context)
        self._compare_request(parameters, context, inputs)
        target, *others = inputs.values()
        check_distinct(target, others)
        check_overlap(target, others, context.transformContext())
        check_date(self._date(parameters, context))
        paths = {name: given_path(parameters.get(name), context) for name in MAPS}
        maps = [Destination(n, self.label(n), path, 1) for n, path in paths.items() if path is not None]
        check_outputs(maps, list(inputs.values()), (".tif", ".tiff"))


def _line(row: dict[str, Any]) -> str:
    """Return a row of the result for the log."""
    numbers = [row.get(key) for key in ("rmse", "ratio", "bias")]
    told_numbers = ", ".join(
        f"{word} {number:.4g}"
        for word, number in zip(("RMSE", tr("ratio"), tr("bias")), numbers)
        if number is not None
    )
    where = tr("one level up") if row.get("level") == "up" else tr("against the finer raster")
    return f"{where}: {title_words(str(row.get('title')))} ({row.get('method')}): {told_numbers}"
