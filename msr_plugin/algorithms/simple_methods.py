"""The simple methods, from interpolation to the conservative climatology ratio and the analogues."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingContext, QgsProcessingParameterEnum, QgsProcessingParameterRasterLayer

from ..translation import tr
from .base_super_resolution import SuperResolutionAlgorithm
from .rasters import InputRaster, RasterProblem

# As in engine.methods; a test compares them.
METHODS = (
    "bilinear",
    "bicubic",
    "bicubicsmooth",
    "lapserate",
    "elevationregressionlocal",
    "elevationregression",
    "climatologyratioflat",
    "climatologyratio",
    "constructedanalogues",
)
WITH_ELEVATION = ("lapserate", "elevationregressionlocal", "elevationregression")
WITH_CLIMATOLOGY = ("climatologyratioflat", "climatologyratio", "constructedanalogues")
QUANTITIES = ("auto", "nonnegative", "signed")
# Parameter: the source's name in the engine, and the methods that need it.
SOURCES = {"CLIMATOLOGY": ("climatology", WITH_CLIMATOLOGY), "ELEVATION": ("elevation", WITH_ELEVATION)}


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
            "METHOD": "bilinear and bicubic interpolate (bicubic in log space where the quantity cannot be "
            "negative); bicubicsmooth also takes off the departure from the coarse means smoothly. "
            "elevationregression fits the target to the elevation around each coarse cell, and carries the "
            "slope (a local lapse rate) over to the fine elevation; elevationregressionlocal does so with "
            "equal weights of the coarse cells around. lapserate brings a temperature to the height of the "
            "fine ground at the month's published rate. "
            "climatologyratio lays the interpolated ratio to the climatology of the season over the fine "
            "climatology (for temperatures the difference); climatologyratioflat does so with the mean of "
            "all its bands. constructedanalogues mixes the months of the climatology that best make up the "
            "coarse field around each cell.",
            "FACTOR": "Fine cells along the edge of a coarse one.",
            "CLIMATOLOGY": "The target's climatology on a fine grid, one band for each month or day of the "
            "year. "
            "Needed by the climatology ratios and the constructed analogues.",
            "ELEVATION": "The height of the ground on a fine grid, in metres or with its unit in the file. "
            "Needed by the elevation regressions and the lapse rate.",
            "QUANTITY": "nonnegative: like rain, never below 0, corrected by ratio. signed: like "
            "temperature, "
            "corrected by difference. auto: by units and values.",
        }

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Add the parameters."""
        self.add_target(tr("Target raster (coarse)"))
        self.add(_choice("METHOD", tr("Method"), METHODS, "bicubic"))
        self.add_integer("FACTOR", tr("Factor"), 8, 2, 100)
        self.add(QgsProcessingParameterRasterLayer("CLIMATOLOGY", tr("Climatology"), None, optional=True))
        self.add(QgsProcessingParameterRasterLayer("ELEVATION", tr("Elevation"), None, optional=True))
        self.add_date()
        self.add(_choice("QUANTITY", tr("Kind of quantity"), QUANTITIES, "auto"), True)
        self.add_run(1.0)

    def check_required(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Refuse a method without the raster that it needs."""
        super().check_required(parameters, context)
        method = self._method(parameters, context)
        for name, (_, methods) in SOURCES.items():
            if method in methods and not self.is_given(parameters, name, context):
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
        found = {}
        for name, (source, methods) in SOURCES.items():
            raster = self.raster(parameters, name, context) if method in methods else None
            if raster is not None:
                found[source] = raster
        return found

    def _method(self, parameters: dict[str, Any], context: QgsProcessingContext) -> str:
        return self.parameterAsString(parameters, "METHOD", context)


def _choice(name: str, label: str, values: tuple[str, ...], default: str) -> QgsProcessingParameterEnum:
    """Return a choice whose values are words, so that scripts and models stay readable."""
    return QgsProcessingParameterEnum(name, label, list(values), defaultValue=default, usesStaticStrings=True)
