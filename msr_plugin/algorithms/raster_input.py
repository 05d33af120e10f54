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

from .places import absolute_name
from .rasters import InputRaster

# Files that may hold several variables, of which QGIS opens none by the file's own name.
_WITH_VARIABLES = re.compile(
    r"\.(?:nc[34]?|nc4s|cdf|netcdf|h5|hdf5|he5|zarr|grib[12]?|grb[12]?|gb2)/?$", re.IGNORECASE
)
_VARIABLE = re.compile(r"[\w./ -]+")


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
