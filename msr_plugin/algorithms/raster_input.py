"""A raster parameter that also takes what the engine reads but QGIS does not open: `FILE:VARIABLE`."""

from __future__ import annotations

import os
import re
from typing import Any

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsProcessingContext,
    QgsProcessingParameterRasterLayer,
    QgsRectangle,
)

from ..translation import tr
from .base import MsrAlgorithm
from .places import absolute_name
from .rasters import InputRaster, RasterProblem, describe, open_raster, unreadable

# Files that may hold several variables, of which QGIS opens none by the file's own name.
_WITH_VARIABLES = re.compile(
    r"\.(?:nc[34]?|nc4s|cdf|netcdf|h5|hdf5|he5|zarr|grib[12]?|grb[12]?|gb2)/?$", re.IGNORECASE
)
_VARIABLE = re.compile(r"[\w./ -]+")
_BAND = re.compile(r"^(?P<raster>.+)#(?P<band>\d+)$", re.DOTALL)


class RasterInput(QgsProcessingParameterRasterLayer):
    """QGIS' own raster parameter, which refuses nothing that is for the engine to judge."""

    def checkValueIsAcceptable(self, value: Any, context: QgsProcessingContext | None = None) -> bool:
        """Return whether a value may be a raster."""
        if isinstance(value, str) and for_the_engine(value):
            return True
        if context is None:
            return super().checkValueIsAcceptable(value)
        return super().checkValueIsAcceptable(value, context)


def for_the_engine(text: str) -> bool:
    """Return whether a text is `FILE:VARIABLE` of a file that is there, or a file of variables."""
    text = os.path.expanduser(text.strip())
    if os.path.exists(text):
        return bool(_WITH_VARIABLES.search(text))
    file, mark, variable = text.rpartition(":")
    return bool(mark) and bool(_VARIABLE.fullmatch(variable)) and os.path.exists(file)


def unopened(text: Any, label: str, band: int | None) -> InputRaster | None:
    """Return a raster of which only the name is known, None where the text is no such name.

    Its CRS is invalid and its extent empty: what depends on them the engine checks.
    """
    if not isinstance(text, str) or not for_the_engine(text):
        return None
    path = absolute_name(os.path.expanduser(text.strip()))
    return InputRaster(label, path, band, 1, QgsCoordinateReferenceSystem(), QgsRectangle(0, 0, 0, 0), 0, 0)


def source_lines(
    algorithm: MsrAlgorithm, parameters: dict[str, Any], context: QgsProcessingContext
) -> list[tuple[str, str]]:
    """Return name and raster of each line of SOURCES; a list of lines or a mapping will do as well.

    Raises:
        RasterProblem: a line is no such pair.
    """
    pairs = []
    for line in algorithm.lines_of(parameters, context):
        if not line.strip():
            continue
        name, mark, raster = line.partition("=")
        if not mark or not name.strip() or not raster.strip():
            raise RasterProblem(
                tr("{}: “{}” is not NAME=RASTER or NAME=RASTER#BAND.").format(
                    algorithm.label("SOURCES"), line.strip()
                )
            )
        pairs.append((name.strip(), raster.strip()))
    return pairs


def named_raster(text: str, label: str, context: QgsProcessingContext) -> InputRaster:
    """Return the raster that a text names: a file, a layer's name or id, with #BAND behind it or not.

    Raises:
        RasterProblem: there is none; the sentence names `label`.
    """
    match = _BAND.match(text)
    raster, band = (match["raster"], int(match["band"])) if match else (text, None)
    layer = open_raster(raster, context)
    if layer is not None:
        return describe(layer, label, band)
    named = unopened(raster, label, band)
    if named is None:
        raise RasterProblem(f"{label}: {unreadable(raster)}")
    return named
