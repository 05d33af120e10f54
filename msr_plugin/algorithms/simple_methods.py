"""The simple methods, from interpolation to the conservative climatology ratio and the analogues."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingParameterEnum,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterString,
)

from ..compat import set_widget
from ..method_list import METHODS, ListedMethod, needing, uses
from ..translation import tr
from .base_super_resolution import SuperResolutionAlgorithm
from .destinations import Destination, given_path
from .finer import covariate_kinds
from .raster_input import RasterInput, named_raster, source_lines
from .rasters import InputRaster, RasterProblem

QUANTITIES = ("auto", "nonnegative", "signed")
SOURCES = {"CLIMATOLOGY": "climatology", "ELEVATION": "elevation"}  # parameter: name in the engine
# Parameter: the request's key, and the label.
TOLD = {
    "OUTPUT_EXPECTED_ERROR": ("expected_error", "Expected error"),
    "OUTPUT_SUPPORT": ("supported_share", "Supported share of the detail"),
}
TELLING = " or ".join(method.id for method in METHODS.values() if method.tells_error)
FREE = " or ".join(method.id for method in METHODS.values() if method.any_sources)


class Baseline(SuperResolutionAlgorithm):
    """A method without learning, through the same pipeline as the models."""

    ID = "baseline"
    TITLE = "Simple methods (baselines)"
    ICON = "baseline"
    TAGS = (
        "bilinear",
        "bicubic",
        "climatology",
        "bcsd",
        "interpolation",
        "disaggregation",
        "lapse rate",
        "baseline",
    )

    def texts(self) -> dict[str, str]:
        """Return the help."""
        return {
            **super().texts(),
            covariate_kinds.NAME: covariate_kinds.TEXT,
            "": "Makes a coarse raster finer without learning: what a trained model has to beat. With a "
            "conservation strength of 1 the means over the coarse cells are kept.",
            "METHOD": tr("How the detail is made; docs/methods.md tells of each. In scripts: {}.").format(
                ", ".join(METHODS)
            ),
            "FACTOR": "Fine cells along the edge of a coarse one.",
            "CLIMATOLOGY": tr(
                "The target's climatology on a fine grid, one band for each month or day of the year. {}"
            ).format(_needed_by("climatology")),
            "ELEVATION": tr(
                "The height of the ground on a fine grid, in metres or with its unit in the file. {}"
            ).format(_needed_by("elevation")),
            "SOURCES": tr(
                "Of {}: further covariates, one on each line, by any name: NAME=RASTER or "
                "NAME=RASTER#BAND. RASTER is a file or the name of a layer."
            ).format(FREE),
            "OUTPUT_EXPECTED_ERROR": tr(
                "Of {}: the root mean square error to reckon with in each cell, in the target's units."
            ).format(TELLING),
            "OUTPUT_SUPPORT": tr(
                "Of {}: the part of all fine detail to expect that the covariates give, 0 to 1. "
                "Where it is low, the result is smoother than the truth."
            ).format(TELLING),
            "QUANTITY": "nonnegative is like rain, never below 0 and corrected by ratio; signed is like "
            "temperature, corrected by difference. auto goes by units and values.",
        }

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Add the parameters."""
        self.add_target(tr("Target raster (coarse)"))
        method = QgsProcessingParameterEnum(
            "METHOD", tr("Method"), list(METHODS), defaultValue="bicubic", usesStaticStrings=True
        )
        set_widget(method, "choices.method_choice.MethodChoice")
        self.add(method)
        self.add_integer("FACTOR", tr("Factor"), 8, 2, 100)
        self.add(RasterInput("CLIMATOLOGY", tr("Climatology"), None, optional=True))
        self.add(RasterInput("ELEVATION", tr("Elevation"), None, optional=True))
        self.add(
            QgsProcessingParameterString(
                "SOURCES", tr("Covariates (lines of NAME=RASTER#BAND)"), None, True, optional=True
            )
        )
        self.add_dates(advanced=True)
        covariate_kinds.add_input(self)
        self.add_choice("QUANTITY", tr("Kind of quantity"), QUANTITIES, "auto", advanced=True)
        self.add_run(1.0)
        for name, (_, label) in TOLD.items():
            self.add(
                QgsProcessingParameterRasterDestination(
                    name, tr(label), None, optional=True, createByDefault=False
                ),
                advanced=True,
            )

    def check_required(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Refuse a method without the raster that it needs."""
        super().check_required(parameters, context)
        method = self._method(parameters, context)
        for name, source in SOURCES.items():
            if method in needing(source) and not self.is_given(parameters, name, context):
                raise RasterProblem(
                    tr("{} is missing; the method {} needs it.").format(self.label(name), method)
                )
        self._check_taken(METHODS.get(method), parameters, context)

    def _check_taken(
        self, method: ListedMethod | None, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> None:
        """Refuse covariates and files that are for other methods."""
        if method is None:
            return
        lines = source_lines(self, parameters, context)
        kinds = self.is_given(parameters, covariate_kinds.NAME, context)
        for name, given in (("SOURCES", bool(lines)), (covariate_kinds.NAME, kinds)):
            if given and not method.any_sources:
                raise RasterProblem(
                    tr("{}: the method {} takes none; choose {}.").format(self.label(name), method.id, FREE)
                )
        for name in TOLD:
            if not method.tells_error and given_path(parameters.get(name), context) is not None:
                raise RasterProblem(
                    tr("{}: the method {} does not tell it; choose {}.").format(
                        self.label(name), method.id, TELLING
                    )
                )

    def model_of(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        """Return method, factor and kind of quantity."""
        return {
            "model": self._method(parameters, context),
            "factor": self.factor_of(parameters, context),
            "quantity": self.parameterAsString(parameters, "QUANTITY", context) or "auto",
        }

    def factor_of(self, parameters: dict[str, Any], context: QgsProcessingContext) -> int:
        """Return the factor asked for."""
        factor = self.parameterAsInt(parameters, "FACTOR", context)
        if not 2 <= factor <= 100:
            raise RasterProblem(tr("{} must be from 2 to 100.").format(self.label("FACTOR")))
        return factor

    def sources_of(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, InputRaster]:
        """Return the rasters that the method uses; others that are given stay aside."""
        method = self._method(parameters, context)
        rasters = {}
        for name, source in SOURCES.items():
            raster = self.raster(parameters, name, context) if uses(method, source) else None
            if raster is not None:
                rasters[source] = raster
        for source, text in source_lines(self, parameters, context) if METHODS[method].any_sources else ():
            label = f"{self.label('SOURCES')}, {source}"
            if source in rasters:
                raise RasterProblem(tr("{}: this source stands twice.").format(label))
            rasters[source] = named_raster(text, label, context)
        return rasters

    def further_files(self, request: dict[str, Any]) -> tuple[str, ...]:
        """Return the parameters of what the method tells beside its result."""
        return tuple(TOLD) if METHODS[request["model"]].tells_error else ()

    def further_destinations(
        self, parameters: dict[str, Any], context: QgsProcessingContext, request: dict[str, Any]
    ) -> list[Destination]:
        """Return the files of it that are asked for."""
        paths = {name: given_path(parameters.get(name), context) for name in self.further_files(request)}
        return [
            Destination(name, self.label(name), path, 1) for name, path in paths.items() if path is not None
        ]

    def with_files(self, request: dict[str, Any], files: dict[str, str]) -> dict[str, Any]:
        """Return a request with the outputs' files, by their parameters' names."""
        further = {TOLD[name][0]: path for name, path in files.items() if name != "OUTPUT"}
        return {**request, "output": files["OUTPUT"], **further}

    def _method(self, parameters: dict[str, Any], context: QgsProcessingContext) -> str:
        return self.parameterAsString(parameters, "METHOD", context)


def _needed_by(source: str) -> str:
    takers = [method.id for method in METHODS.values() if method.any_sources]
    return tr("Used by {} where it is given; needed by {}.").format(
        ", ".join(takers), ", ".join(needing(source))
    )
