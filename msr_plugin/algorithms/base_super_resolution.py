"""What the algorithms that make a finer raster share: parameters, checks, the run, its outputs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBand,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingUtils,
)
from qgis.PyQt.QtWidgets import QWidget

from ..appearance.style import Look, style_when_loaded
from ..appearance.window import for_box
from ..appearance.zarr_layer import holds_several_fields
from ..folders import profile_models
from ..translation import tr
from ..worker.engine_service import SERVICE
from . import ensemble, grid_parameters, output_format, told
from .base import MsrAlgorithm
from .destinations import Destination, given_path
from .dialog_words import DialogWords
from .engine_check import ask_engine
from .engine_run import run_engine
from .faults import guarded, sentence_of
from .places import absolute
from .preflight import (
    check_date,
    check_distinct,
    check_memory,
    check_not_open,
    check_outputs,
    check_overlap,
    check_size,
    check_slip,
    remember,
)
from .raster_input import RasterInput, unopened
from .rasters import InputRaster, RasterProblem, describe, may_be_dated, open_raster, unreadable
from .result_looks import look_of_file, with_subject
from .shared_texts import NUMBERS, TEXTS

AGGREGATIONS = ("as they are", "day:mean", "day:sum", "month:mean", "month:sum")


class SuperResolutionAlgorithm(MsrAlgorithm):
    """Base of the model algorithms, the generic one and the baselines."""

    NEEDS_ENGINE = True

    def __init__(self) -> None:
        super().__init__()
        self._request: dict[str, Any] = {}
        self._result: dict[str, Any] = {}  # what the engine told of the run
        self._look = Look()
        self._words = DialogWords({}, {})

    def model_of(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        """Return the request's `model`, and its `factor` for a baseline.

        Raises:
            RasterProblem: there is no such model, or the factor is silly.
        """
        raise RasterProblem(tr("{} names no model.").format(self.displayName()))

    def factor_of(self, parameters: dict[str, Any], context: QgsProcessingContext) -> int:
        """Return the factor, for the size of the output."""
        raise RasterProblem(tr("{} has no factor.").format(self.displayName()))

    def sources_of(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, InputRaster]:
        """Return the sources given, by their names in the card.

        Raises:
            RasterProblem: a required one is missing, or one cannot be used.
        """
        return {}

    def why_dated(
        self,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        sources: dict[str, InputRaster],
    ) -> str:
        """Return why the run cannot do without a date, "" where it can."""
        return of_parts(sources["climatology"]) if "climatology" in sources else ""

    def look_of(self, parameters: dict[str, Any], context: QgsProcessingContext) -> Look:
        """Return how the result is to look."""
        return Look()

    def further_files(self, request: dict[str, Any]) -> tuple[str, ...]:
        """Return the parameters of the files beside the main one that a run may write."""
        return tuple(ensemble.FILES) if "ensemble" in request else ()

    def further_destinations(
        self, parameters: dict[str, Any], context: QgsProcessingContext, request: dict[str, Any]
    ) -> list[Destination]:
        """Return the files beside the main one that are asked for."""
        return ensemble.destinations(self, parameters, context, request)

    def with_files(self, request: dict[str, Any], files: dict[str, str]) -> dict[str, Any]:
        """Return a request with the outputs' files, by their parameters' names."""
        request = {**request, "output": files["OUTPUT"]}
        if "ensemble" in request:
            asked = {ensemble.FILES[n][0]: path for n, path in files.items() if n != "OUTPUT"}
            request["ensemble"] = {**request["ensemble"], **asked}
        return request

    def createCustomParametersWidget(self, parent: QWidget | None = None) -> None:
        """Leave the dialog to QGIS, and let the engine start while the user fills it in."""
        SERVICE.warm_up()

    def texts(self) -> dict[str, str]:
        """Return the help of the shared parameters."""
        return {**TEXTS, **ensemble.TEXTS, told.NAME: told.TEXT, output_format.NAME: output_format.TEXT}

    def add_target(self, label: str) -> None:
        """Add the target raster and its band."""
        self.add(RasterInput("TARGET", label))
        self.add(
            QgsProcessingParameterBand("TARGET_BAND", tr("Target: band"), None, "TARGET", optional=True), True
        )

    def add_dates(self, advanced: bool = False) -> None:
        """Add the date, and the choice of all dates."""
        self.add_date(advanced)
        self.add(QgsProcessingParameterBoolean("ALL_DATES", tr("All dates of the target"), False), advanced)
        self.add_choice("AGGREGATE", tr("Steps of each date"), AGGREGATIONS, AGGREGATIONS[0], advanced=True)

    def add_run(self, strength: float, with_ensemble: bool = False) -> None:
        """Add grid, conservation, ensemble, device, tile size and the outputs."""
        grid_parameters.add_inputs(self)
        self.add(RasterInput("DOMAIN", tr("Domain"), None, optional=True), True)
        self.add_number("CONSERVATION", tr("Conservation strength"), strength, 0.0, 1.0, advanced=True)
        if with_ensemble:
            ensemble.add_inputs(self)
        self.add_device()
        told.add_input(self)
        output_format.add_input(self)
        self.add_integer("TILE", tr("Tile size (coarse cells)"), 0, 0, 100_000, advanced=True)
        self.add(QgsProcessingParameterBoolean("ALIKE", tr("Coarse layer in the same colours"), False), True)
        self.add(QgsProcessingParameterRasterDestination("OUTPUT", tr("Finer raster")))
        if with_ensemble:
            ensemble.add_outputs(self)
        self.add_numbers()

    def add_numbers(self) -> None:
        """Add the numbers that a run tells."""
        for name, (_, label) in NUMBERS.items():
            self.addOutput(QgsProcessingOutputNumber(name, tr(label)))

    def checkParameterValues(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> tuple[bool, str]:
        """Return whether the run can be started, or a sentence that names the parameter at fault."""
        if missing := self.missing_engine():
            return False, missing
        parameters = self._with_layers(parameters, context)
        try:
            self.check_required(parameters, context)
            fine, message = super().checkParameterValues(parameters, context)
            if not fine:
                return False, message
            self._check(parameters, context)
        except RasterProblem as problem:
            return False, for_box(str(problem))
        except Exception as error:  # of ours: the dialog shows a sentence, not a traceback
            return False, for_box(sentence_of(error))
        return True, ""

    def check_required(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Refuse a missing raster by its label, which QGIS' own sentence does not tell.

        Raises:
            RasterProblem: naming the parameter.
        """
        if not self.is_given(parameters, "TARGET", context):
            raise RasterProblem(tr("{} is missing.").format(self.label("TARGET")))

    @guarded
    def prepareAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        """Take from the layers what the run needs: paths, bands, CRSs."""
        parameters = self._with_layers(parameters, context)
        try:
            rasters = self._rasters(parameters, context)
            self._request = self._make_request(parameters, context, rasters)
            self._words = DialogWords.of(self, self._named(rasters, self.sources_of(parameters, context)))
            self._look = with_subject(self.look_of(parameters, context), self._request, context.project())
            if self.parameterAsBoolean(parameters, "ALIKE", context):
                self._look = replace(self._look, coarse=self._request["target"]["path"])
        except RasterProblem as problem:
            raise QgsProcessingException(str(problem)) from None
        return True

    @guarded
    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Run the job in the engine (on a thread of its own, with plain data only)."""
        names = ["OUTPUT", *self.further_files(self._request)]
        parameters = output_format.in_format(self, parameters, context, names)
        given = {name: self.parameterAsOutputLayer(parameters, name, context) for name in names}
        files = {name: absolute(path) for name, path in given.items() if path}
        request = self.with_files(self._request, files)
        result = run_engine("super_resolve", request, feedback, list(files.values()), self._words)
        if result is None:
            return {}
        self._result = result
        remember(self.id(), files["OUTPUT"])
        for source in result.get("sources") or []:
            feedback.pushInfo(_source_report(source))
        for name in files:
            look = look_of_file(self, name, self._look, request, result)
            style_when_loaded(given[name], look, context)
        numbers = {name: result.get(key) for name, (key, _) in NUMBERS.items()}
        return {**files, **numbers}

    def raster(
        self, parameters: dict[str, Any], name: str, context: QgsProcessingContext, band: str | None = None
    ) -> InputRaster | None:
        """Return a raster parameter as plain data, None where it is not given.

        Raises:
            RasterProblem: it cannot be used.
        """
        if not self.is_given(parameters, name, context):
            return None
        text = parameters[name] if isinstance(parameters[name], str) else ""
        layer = None
        if not holds_several_fields(text):
            layer = self.parameterAsRasterLayer(parameters, name, context)
        number = None
        if band is not None and self.is_given(parameters, band, context):
            number = self.parameterAsInt(parameters, band, context)
            if number == -1:  # how QGIS writes “not set”
                number = None
        if layer is not None:
            return describe(layer, self.label(name), number)
        raster = unopened(parameters[name], self.label(name), number)
        if raster is None:
            raise RasterProblem(f"{self.label(name)}: {unreadable(parameters[name])}")
        return raster

    def _with_layers(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        """Return the parameters with a layer in place of each GDAL name, such as NETCDF:"a.nc":t2m.

        Processing finds files and layers of the project by a text, but not these.
        """
        resolved = dict(parameters)
        for definition in self.parameterDefinitions():
            text = parameters.get(definition.name())
            if isinstance(definition, QgsProcessingParameterRasterLayer) and isinstance(text, str):
                layer = open_raster(text, context)
                if layer is not None:
                    resolved[definition.name()] = layer
        return resolved

    def _rasters(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, InputRaster]:
        """Return target, reference and domain; the sources come from `sources_of`."""
        target = self.raster(parameters, "TARGET", context, "TARGET_BAND")
        if target is None:
            raise RasterProblem(tr("{} is missing.").format(self.label("TARGET")))
        others = {name: self.raster(parameters, name, context) for name in ("REFERENCE", "DOMAIN")}
        return {"TARGET": target, **{name: raster for name, raster in others.items() if raster is not None}}

    @staticmethod
    def _named(rasters: dict[str, InputRaster], sources: dict[str, InputRaster]) -> dict[str, InputRaster]:
        """Return the rasters whose values a run reads, by the engine's names."""
        domain = {"domain": rasters["DOMAIN"]} if "DOMAIN" in rasters else {}
        return {"target": rasters["TARGET"], **sources, **domain}

    def _make_request(
        self,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        rasters: dict[str, InputRaster],
    ) -> dict[str, Any]:
        inputs = {"target": rasters["TARGET"], **self.sources_of(parameters, context)}
        said = told.request_of(self, parameters, context, inputs)
        references = {name: {**reference_of(r), **said.get(name, {})} for name, r in inputs.items()}
        request = {
            **self.model_of(parameters, context),
            "target": references.pop("target"),
            "sources": references,
            "grid": grid_parameters.request_of(self, parameters, context, rasters),
            "conservation": self.parameterAsDouble(parameters, "CONSERVATION", context),
            "device": self.parameterAsString(parameters, "DEVICE", context).strip() or "auto",
            "tile": self.parameterAsInt(parameters, "TILE", context),
            "models": [str(profile_models())],
            "all_dates": self.parameterAsBoolean(parameters, "ALL_DATES", context),
            **ensemble.request_of(self, parameters, context),
        }
        if "DOMAIN" in rasters:
            request["domain"] = reference_of(rasters["DOMAIN"])
        date = self._date(parameters, context)
        if date:
            request["date"] = date
        aggregate = self.parameterAsString(parameters, "AGGREGATE", context)
        if aggregate in AGGREGATIONS[1:]:
            request["aggregate"] = aggregate
        return request

    def _date(self, parameters: dict[str, Any], context: QgsProcessingContext) -> str:
        return self.parameterAsString(parameters, "DATE", context).strip()

    def _check(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Refuse what can be known before the run; the request is made for its own refusals."""
        rasters = self._rasters(parameters, context)
        request = self._make_request(parameters, context, rasters)
        names = ["OUTPUT", *self.further_files(request)]
        parameters = output_format.in_format(self, parameters, context, names)
        sources = self.sources_of(parameters, context)
        target = rasters["TARGET"]
        others = [*sources.values(), *(r for name, r in rasters.items() if name != "TARGET")]
        check_slip(self.id(), target)
        check_distinct(target, sources.values())
        check_overlap(target, others, context.transformContext())
        grid_parameters.check_extent(self, parameters, context, target, request["grid"])
        check_date(self._date(parameters, context))
        self._check_climatology(request, parameters, context, sources)
        main = given_path(parameters.get("OUTPUT"), context) or ""
        outputs = [Destination("OUTPUT", self.label("OUTPUT"), main, 1)]
        outputs += self.further_destinations(parameters, context, request)
        check_outputs(outputs, [target, *others])
        doubts = check_not_open(outputs, context.project())
        factor = self.factor_of(parameters, context)
        dates = target.bands if request["all_dates"] else 1
        cells = grid_parameters.output_cells(request["grid"], rasters, factor)
        check_size(cells, dates, outputs, QgsProcessingUtils.tempFolder())
        check_memory(request["tile"], factor, sum(output.bands for output in outputs))
        folder = Path(QgsProcessingUtils.tempFolder())
        files = {o.name: o.path or str(folder / f"{o.name.lower()}.tif") for o in outputs}
        ask_engine(
            self.with_files(request, files), DialogWords.of(self, self._named(rasters, sources)), doubts
        )

    def _check_climatology(
        self,
        request: dict[str, Any],
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        sources: dict[str, InputRaster],
    ) -> None:
        """Refuse a run without date that needs one, where the target certainly carries none."""
        if request.get("date") or request["all_dates"]:
            return
        why = self.why_dated(parameters, context, sources)
        layer = self.parameterAsRasterLayer(parameters, "TARGET", context) if why else None
        if layer is not None and not may_be_dated(layer, request["target"]["band"]):
            raise RasterProblem(
                tr("{} is missing: {}. Give YYYY-MM-DD, YYYY-MM or MM.").format(self.label("DATE"), why)
            )


def of_parts(climatology: InputRaster) -> str:
    """Return that a climatology's bands are for parts of the year, "" where it is used as a whole."""
    if climatology.bands == 1 or climatology.band is not None:
        return ""
    return tr("{} has {} bands, one for each part of the year").format(climatology.label, climatology.bands)


def reference_of(raster: InputRaster) -> dict[str, Any]:
    """Return a raster as a request names it."""
    return {"path": raster.path, "band": raster.band, "crs": raster.given_crs or None}


def _source_report(source: dict[str, Any]) -> str:
    """Return one line about a raster that was used."""
    text = f"{source.get('name')}: {source.get('grid')}; {source.get('resampling')}"
    covered, outside = source.get("covered"), source.get("outside_range")
    if isinstance(covered, (int, float)):
        text += tr("; covers {:.1%} of the output").format(covered)
    if isinstance(outside, (int, float)) and outside > 0:
        text += tr("; {:.1%} of its values outside the training range").format(outside)
    return text
