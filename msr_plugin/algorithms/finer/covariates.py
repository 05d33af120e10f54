"""Covariates picked from a list of layers, each with a name of its own for the engine."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from qgis.core import QgsProcessingContext, QgsProcessingParameterMultipleLayers, QgsRasterLayer

from ...compat import RASTER_SOURCE
from ..base import MsrAlgorithm
from ..raster_input import named_raster, unopened
from ..rasters import InputRaster, RasterProblem, describe, open_raster, unreadable

NAME = "COVARIATES"
_TAKEN = ("target", "domain")  # names that mean other rasters of a run
_LONGEST = 40  # letters of a name


class RasterList(QgsProcessingParameterMultipleLayers):
    """QGIS' own list of layers, which refuses nothing that is for the engine to judge."""

    def __init__(self, name: str, label: str) -> None:
        super().__init__(name, label, RASTER_SOURCE, None, True)

    def checkValueIsAcceptable(self, value: Any, context: QgsProcessingContext | None = None) -> bool:
        """Return whether a value may be a list of rasters."""
        if value is None or isinstance(value, (str, list, tuple, QgsRasterLayer)):
            return True
        return (
            super().checkValueIsAcceptable(value, context)
            if context
            else super().checkValueIsAcceptable(value)
        )


def covariates_of(
    algorithm: MsrAlgorithm, parameters: dict[str, Any], context: QgsProcessingContext
) -> dict[str, InputRaster]:
    """Return the rasters of the list by the names that they get, in their order.

    Raises:
        RasterProblem: one of them cannot be used; the sentence names it.
    """
    rasters: dict[str, InputRaster] = {}
    for value in _values(algorithm, parameters, context):
        title = _title(value, context)
        name = unique(valid(title), rasters)
        rasters[name] = _raster(value, f"{algorithm.label(NAME)}, “{title}”", context)
    return rasters


def titles_of(value: Any, context: QgsProcessingContext) -> dict[str, str]:
    """Return what a list's value holds as the user sees it, by the names that they get, in their order."""
    titles: dict[str, str] = {}
    for entry in _entries(value, context):
        title = _title(entry, context)
        titles[unique(valid(title), titles)] = title
    return titles


def valid(title: str) -> str:
    """Return a name for the engine made of a layer's: lower-case letters, digits and underscores."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")[:_LONGEST].strip("_")
    if not words:
        return "covariate"
    return f"covariate_{words}" if words[0].isdigit() or words in _TAKEN else words


def unique(name: str, taken: Iterable[str]) -> str:
    """Return a name that is not taken yet, numbered from 2 on where it has to be."""
    taken, free, number = set(taken), name, 2
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free


def _values(algorithm: MsrAlgorithm, parameters: dict[str, Any], context: QgsProcessingContext) -> list[Any]:
    """Return the list's entries: layers or texts."""
    value = parameters.get(NAME)
    if value is None or isinstance(value, (QgsRasterLayer, str, list, tuple)):
        return _entries(value, context)
    return list(algorithm.parameterAsLayerList(parameters, NAME, context))  # a property, of a model


def _entries(value: Any, context: QgsProcessingContext) -> list[Any]:
    """Return the entries of a value that is a layer, a text or a list."""
    if isinstance(value, str):
        value = [value] if open_raster(value, context) or unopened(value, "", None) else value.split(";")
    entries = value if isinstance(value, (list, tuple)) else [value]
    return [e for e in entries if e is not None and (not isinstance(e, str) or e.strip())]


def _title(value: Any, context: QgsProcessingContext) -> str:
    """Return what the user sees: a layer's name, or a file's or variable's."""
    layer = value if isinstance(value, QgsRasterLayer) else open_raster(str(value), context)
    if layer is not None and layer.name():
        return str(layer.name())
    file, _, variable = str(value).rpartition(":")
    name = variable if file and re.fullmatch(r"\w+", variable) else str(value)
    return re.sub(r"\.\w+$", "", name.replace("\\", "/").rstrip("/").rpartition("/")[2])


def _raster(value: Any, label: str, context: QgsProcessingContext) -> InputRaster:
    if isinstance(value, QgsRasterLayer):
        return describe(value, label, None)
    if isinstance(value, str):
        return named_raster(value.strip(), label, context)
    raise RasterProblem(f"{label}: {unreadable(value)}")
