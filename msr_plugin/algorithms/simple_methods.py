"""The simple methods, from interpolation to the conservative climatology ratio and the analogues."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingContext

from ..method_list import METHODS, needing, uses
from ..translation import tr
from .base_super_resolution import SuperResolutionAlgorithm
from .raster_input import RasterInput
from .rasters import InputRaster, RasterProblem

QUANTITIES = ("auto", "nonnegative", "signed")
SOURCES = {"CLIMATOLOGY": "climatology", "ELEVATION": "elevation"}  # parameter: name in the engine


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
            "": "Makes a coarse raster finer without learning: what a trained model has to beat. With a "
            "conservation strength of 1 the means over the coarse cells are kept.",
            "METHOD": " ".join(f"{m.id}: {m.title}. {m.help}" for m in METHODS.values()),
            "FACTOR": "Fine cells along the edge of a coarse one.",
            "CLIMATOLOGY": "The target's climatology on a fine grid, one band for each month or day of the "
            f"year. {_needed_by('climatology')}",
            "ELEVATION": "The height of the ground on a fine grid, in metres or with its unit in the file. "
            f"{_needed_by('elevation')}",
            "QUANTITY": "nonnegative: like rain, never below 0, corrected by ratio. signed: like "
            "temperature, corrected by difference. auto: by units and values.",
        }

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Add the parameters."""
        self.add_target(tr("Target raster (coarse)"))
        self.add_choice("METHOD", tr("Method"), tuple(METHODS), "bicubic")
        self.add_integer("FACTOR", tr("Factor"), 8, 2, 100)
        self.add(RasterInput("CLIMATOLOGY", tr("Climatology"), None, optional=True))
        self.add(RasterInput("ELEVATION", tr("Elevation"), None, optional=True))
        self.add_date()
        self.add_choice("QUANTITY", tr("Kind of quantity"), QUANTITIES, "auto", advanced=True)
        self.add_run(1.0)

    def check_required(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Refuse a method without the raster that it needs."""
        super().check_required(parameters, context)
        method = self._method(parameters, context)
        for name, source in SOURCES.items():
            if method in needing(source) and not self.is_given(parameters, name, context):
                raise RasterProblem(f"{self.label(name)} is missing; the method {method} needs it.")

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
            raise RasterProblem(f"{self.label('FACTOR')} must be from 2 to 100.")
        return factor

    def sources_of(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, InputRaster]:
        """Return the rasters that the method uses; others that are given stay aside."""
        method = self._method(parameters, context)
        rasters = {}
        for name, source in SOURCES.items():
            raster = self.raster(parameters, name, context) if uses(method, source) else None
            if raster is not None:
                rasters[source] = raster
        return rasters

    def _method(self, parameters: dict[str, Any], context: QgsProcessingContext) -> str:
        return self.parameterAsString(parameters, "METHOD", context)


def _needed_by(source: str) -> str:
    takers = [method.id for method in METHODS.values() if method.any_sources]
    return f"Used by {', '.join(takers)} where it is given; needed by {', '.join(needing(source))}."
