"""The grid of the output: its parameters, what a request says of it, and its size."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsProcessingContext,
    QgsProcessingParameterCrs,
    QgsProcessingParameterExtent,
    QgsRectangle,
)

from ..translation import tr
from .base import MsrAlgorithm
from .preflight import check_overlap
from .raster_input import RasterInput
from .rasters import InputRaster, RasterProblem, crs_text


def add_inputs(algorithm: MsrAlgorithm) -> None:
    """Add the reference grid, and extent, resolution and CRS for a grid without one."""
    algorithm.add(RasterInput("REFERENCE", tr("Reference grid"), None, optional=True), True)
    add_extent(algorithm)


def add_extent(algorithm: MsrAlgorithm) -> None:
    """Add extent, resolution and CRS, of a grid without a reference."""
    algorithm.add(QgsProcessingParameterExtent("EXTENT", tr("Output extent"), None, optional=True), True)
    algorithm.add_number("RESOLUTION", tr("Output resolution"), None, 0.0, 1e9, optional=True, advanced=True)
    algorithm.add(QgsProcessingParameterCrs("CRS", tr("Output CRS"), None, optional=True), True)


def request_of(
    algorithm: MsrAlgorithm,
    parameters: dict[str, Any],
    context: QgsProcessingContext,
    rasters: dict[str, InputRaster],
) -> dict[str, Any] | None:
    """Return the request's `grid`; None for the target's own cells, each divided by the factor.

    `rasters` holds TARGET, and REFERENCE where it is given.

    Raises:
        RasterProblem: two grids at once, or one that makes no sense.
    """
    given = [n for n in ("EXTENT", "RESOLUTION", "CRS") if algorithm.is_given(parameters, n, context)]
    if "REFERENCE" in rasters:
        if given:
            raise RasterProblem(
                tr("{} already gives the grid: leave {} empty, or give no reference.").format(
                    algorithm.label("REFERENCE"), given[0]
                )
            )
        return {"like": rasters["REFERENCE"].path}
    if not given:
        return None
    crs = _crs(algorithm, parameters, context, rasters["TARGET"])
    grid: dict[str, Any] = {"crs": crs_text(crs)} if crs.isValid() else {}  # else the target's, by the engine
    if "RESOLUTION" in given:
        grid["resolution"] = algorithm.parameterAsDouble(parameters, "RESOLUTION", context)
        if grid["resolution"] <= 0:
            raise RasterProblem(tr("{} must be more than 0.").format(algorithm.label("RESOLUTION")))
    elif crs.isValid() and crs != rasters["TARGET"].crs:
        raise RasterProblem(
            tr("{} is not the target's, so RESOLUTION must be given too.").format(algorithm.label("CRS"))
        )
    if "EXTENT" in given:
        box = algorithm.parameterAsExtent(parameters, "EXTENT", context, crs)
        grid["extent"] = [box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum()]
        if box.isEmpty():
            raise RasterProblem(tr("{} is empty.").format(algorithm.label("EXTENT")))
        own = algorithm.parameterAsExtentCrs(parameters, "EXTENT", context)
        if not crs.isValid() and own.isValid() and not own.isGeographic():
            raise RasterProblem(
                tr(
                    "{} is in {}, and QGIS does not see the CRS of {}: give the extent in the target's, "
                    "without naming one, or give {} too."
                ).format(
                    algorithm.label("EXTENT"), own.authid(), rasters["TARGET"].label, algorithm.label("CRS")
                )
            )
    return grid


def check_extent(
    algorithm: MsrAlgorithm,
    parameters: dict[str, Any],
    context: QgsProcessingContext,
    target: InputRaster,
    grid: dict[str, Any] | None,
) -> None:
    """Refuse an extent that lies elsewhere than the target.

    Raises:
        RasterProblem: naming EXTENT.
    """
    if grid and "extent" in grid and algorithm.is_given(parameters, "EXTENT", context):
        crs = _crs(algorithm, parameters, context, target)
        extent = QgsRectangle(*grid["extent"])
        box = InputRaster(algorithm.label("EXTENT"), "", None, 1, crs, extent, 1, 1)
        check_overlap(target, [box], context.transformContext())


def output_cells(grid: dict[str, Any] | None, rasters: dict[str, InputRaster], factor: int) -> int:
    """Return how many cells a band of the output has, at least roughly."""
    target, reference = rasters["TARGET"], rasters.get("REFERENCE")
    if reference is not None:
        return reference.width * reference.height
    if grid and "resolution" in grid and "extent" in grid:
        left, bottom, right, top = grid["extent"]
        return round((right - left) * (top - bottom) / grid["resolution"] ** 2)
    if grid and "resolution" in grid and grid.get("crs", "") == crs_text(target.crs):
        return round(target.extent.width() * target.extent.height() / grid["resolution"] ** 2)
    return target.width * target.height * factor**2


def _crs(
    algorithm: MsrAlgorithm, parameters: dict[str, Any], context: QgsProcessingContext, target: InputRaster
) -> QgsCoordinateReferenceSystem:
    if not algorithm.is_given(parameters, "CRS", context):
        return target.crs
    crs = algorithm.parameterAsCrs(parameters, "CRS", context)
    if not crs.isValid():
        raise RasterProblem(tr("{} is not valid.").format(algorithm.label("CRS")))
    return crs
