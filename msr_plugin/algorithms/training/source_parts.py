"""The sources of a data set: static rasters picked from a list, and lines that say more of further ones."""

from __future__ import annotations

import math
import re
from typing import Any

from qgis.core import QgsCoordinateTransform, QgsCsException, QgsProcessingContext, QgsRasterLayer

from ...translation import tr
from ..base import LINES, MsrAlgorithm
from ..finer.covariates import unique, valid
from ..raster_input import for_the_engine
from ..rasters import RasterProblem, open_raster
from .raster_series import first_layer, series_of, values_of

ELEVATION = "elevation"  # of which training makes slopes, aspects and more
_HEIGHTS = re.compile(
    r"(^|_)(dem|dtm|dsm|srtm|elevation|elev|height|heights|topography|orography|altitude)(_|$)"
)
_TAKEN = ("target", "base", "climatology", "time", "date", "channel", "x", "y")
_KEYS = (
    "units",
    "file_units",
    "grid",
    "dynamic",
    "kind",
    "classes",
    "date",
    "variable",
    "title",
    "scale",
    "nodata",
)
_NUMBERS = ("scale", "nodata")


def listed_sources(
    algorithm: MsrAlgorithm,
    parameters: dict[str, Any],
    context: QgsProcessingContext,
    name: str,
    fine_cell: tuple[QgsRasterLayer, float] | None,
) -> list[dict[str, Any]]:
    """Return the rasters of a list as static sources, each by a name made of its layer's or file's.

    Args:
        algorithm, parameters, context: of the run.
        name: of the parameter.
        fine_cell: a layer of the target, and how many of the fine cells lie along an edge of its own cells;
            None where QGIS cannot open any.

    Raises:
        RasterProblem: one of them leads to no raster.
    """
    sources: list[dict[str, Any]] = []
    for value in values_of(parameters.get(name)):
        title = title_of(value, context)
        plain = valid(title)
        called = ELEVATION if _HEIGHTS.search(plain) else plain
        called = f"source_{called}" if called in _TAKEN else called
        called = unique(called, [source["name"] for source in sources])
        section = series_of([value], f"{algorithm.label(name)}, “{title}”", context)
        grid = "coarse" if _is_coarse(first_layer([value], context), fine_cell) else "fine"
        units = {"units": "m"} if called == ELEVATION else {}
        sources.append({"name": called, "title": title, **units, "grid": grid, **section})
    return sources


def further_sources(
    algorithm: MsrAlgorithm, parameters: dict[str, Any], context: QgsProcessingContext
) -> list[dict[str, Any]]:
    """Return the sources of lines such as temperature=t2m/*.tif|units=degC|grid=coarse|dynamic.

    Raises:
        RasterProblem: a line is none; the sentence repeats it.
    """
    sources = []
    for line in algorithm.lines_of(parameters, context):
        if not line.strip():
            continue
        first, *options = (part.strip() for part in line.split("|"))
        called, mark, rasters = (part.strip() for part in first.partition("="))
        label = f"{algorithm.label(LINES)}, “{line.strip()}”"
        if not (mark and called and rasters):
            raise RasterProblem(tr("{} is not NAME=RASTERS|KEY=VALUE|….").format(label))
        section = series_of(values_of(rasters), label, context)
        sources.append({"name": called, "grid": "fine", **section, **_options(options, label)})
    return sources


def _options(options: list[str], label: str) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for option in options:
        key, mark, value = (part.strip() for part in option.partition("="))
        if key not in _KEYS or (not mark and key != "dynamic"):
            raise RasterProblem(
                tr("{}: “{}” is none of {}, with =VALUE.").format(label, option, ", ".join(_KEYS))
            )
        try:
            if key == "dynamic":
                told[key] = value.lower() in ("", "true", "yes", "1")
            elif key == "classes":
                told[key] = [int(part) for part in value.split(",")]
            else:
                told[key] = float(value) if key in _NUMBERS else value
        except ValueError:
            raise RasterProblem(tr("{}: “{}” must hold numbers.").format(label, option)) from None
    return told


def title_of(value: Any, context: QgsProcessingContext) -> str:
    """Return what the user sees: a layer's name, or a file's or variable's."""
    if isinstance(value, QgsRasterLayer):
        return str(value.name())
    text = str(value).strip()
    layer = open_raster(text, context)
    if layer is not None and layer.name():
        return str(layer.name())
    name = text.rpartition(":")[2] if for_the_engine(text) and ":" in text else text
    return re.sub(r"(\.\w+|/\*.*)$", "", name.replace("\\", "/").rstrip("/")).rpartition("/")[2]


def _is_coarse(layer: QgsRasterLayer | None, fine_cell: tuple[QgsRasterLayer, float] | None) -> bool:
    """Return whether a raster's cells are nearer to the coarse ones in size than to the fine ones."""
    if layer is None or fine_cell is None:
        return False
    target, coarse = fine_cell
    moved = _cell_in(layer, target)
    own = target.rasterUnitsPerPixelX()
    return bool(moved and own) and moved > own * coarse


def _cell_in(layer: QgsRasterLayer, target: QgsRasterLayer) -> float:
    """Return the size of a layer's cells in the units of another's CRS; 0 where it cannot be told."""
    if not layer.crs().isValid() or not target.crs().isValid() or layer.crs() == target.crs():
        return float(layer.rasterUnitsPerPixelX())
    try:
        move = QgsCoordinateTransform(layer.crs(), target.crs(), target.transformContext())
        extent = move.transformBoundingBox(layer.extent())
    except QgsCsException:
        return 0.0
    size = extent.width() / layer.width() if layer.width() else 0.0
    return size if math.isfinite(size) else 0.0
