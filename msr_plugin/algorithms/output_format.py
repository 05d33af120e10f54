"""The format of what a run writes, chosen from a list in place of an ending: GeoTIFF, CF-NetCDF or Zarr."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingUtils,
    QgsProperty,
)

from ..translation import tr
from .base import MsrAlgorithm
from .destinations import given_path
from .rasters import RasterProblem

NAME = "FORMAT"
AUTO = "auto"
ENDINGS = {"GeoTIFF": (".tif", ".tiff"), "NetCDF": (".nc",), "Zarr": (".zarr",)}
TEXT = (
    "Of all rasters that are written: a Cloud Optimized GeoTIFF, a CF-NetCDF or a Zarr store. auto goes by "
    "how a name ends (.tif, .nc, .zarr), and makes a temporary raster a GeoTIFF."
)


def add_input(algorithm: MsrAlgorithm) -> None:
    """Add the parameter, among the advanced ones."""
    algorithm.add_choice(NAME, tr("Output format"), (AUTO, *ENDINGS), AUTO, advanced=True)


def in_format(
    algorithm: MsrAlgorithm, parameters: dict[str, Any], context: QgsProcessingContext, names: Iterable[str]
) -> dict[str, Any]:
    """Return the parameters with destinations that end as the chosen format says.

    Temporary ones are named accordingly, also those that a model has named; a name that the user gave is not
    changed.

    Args:
        algorithm: that has the parameter.
        parameters: of the run.
        context: of the run.
        names: of the destinations.

    Raises:
        RasterProblem: a name says another format.
    """
    chosen = algorithm.parameterAsString(parameters, NAME, context)
    endings = ENDINGS.get(chosen)
    if endings is None:
        return parameters
    changed = dict(parameters)
    for name in names:
        path = given_path(parameters.get(name), context)
        if path is None or path.lower().endswith(endings):
            continue
        if not path or Path(QgsProcessingUtils.tempFolder()) in Path(path).parents:
            stem = Path(path).stem or name
            other = QgsProcessingUtils.generateTempFilename(f"{stem}{endings[0]}")
            changed[name] = _moved(parameters[name], other)
            continue
        raise RasterProblem(
            tr("{} does not end in {}, though {} is {}: choose another name, or auto.").format(
                algorithm.label(name), endings[0], algorithm.label(NAME), chosen
            )
        )
    return changed


def _moved(value: Any, path: str) -> Any:
    """Return a destination's value with another path."""
    if not isinstance(value, QgsProcessingOutputLayerDefinition):
        return path
    moved = QgsProcessingOutputLayerDefinition(value)
    moved.sink = QgsProperty.fromValue(path)
    return moved
