"""The rasters of a variable over its dates, as a data set's description names them: files and variable."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qgis.core import QgsProcessingContext, QgsRasterLayer

from ...translation import tr
from ..raster_input import for_the_engine
from ..rasters import RasterProblem, crs_text, gdal_path, open_raster, unreadable

_PATTERN = re.compile(r"[*?\[\]]")
_SUBDATASET = re.compile(r'^(?:NETCDF|HDF5):"?(?P<file>[^"]+?)"?:/*(?P<variable>[^:"]+)$')
TIFF = (".tif", ".tiff")


def values_of(value: Any) -> list[Any]:
    """Return the entries of a list of rasters: layers or texts; a text may hold several, by line or by ;."""
    if value is None:
        return []
    if isinstance(value, str):
        whole = os.path.exists(os.path.expanduser(value.strip()))
        value = [value] if whole else re.split(r"[;\n]", value)
    if not isinstance(value, (list, tuple)):
        value = [value]
    return [entry for entry in value if not isinstance(entry, str) or entry.strip()]


def series_of(values: Sequence[Any], label: str, context: QgsProcessingContext) -> dict[str, Any]:
    """Return where the rasters are, as a description says it: `files`, maybe `variable` and `crs`.

    Args:
        values: layers, or texts: a layer's name, a file, a folder, a pattern (rain/*.tif), FILE:VARIABLE.
        label: of the parameter, as a sentence names it.
        context: of the run.

    Raises:
        RasterProblem: one leads to no raster, or they are of several variables.
    """
    files: list[str] = []
    variables: set[str] = set()
    systems: set[str] = set()
    for value in values:
        file, variable, crs = _place(value, label, context)
        files.append(file)
        variables.add(variable)
        systems.add(crs)
    if len(variables) > 1:
        named = ", ".join(sorted(filter(None, variables)))
        raise RasterProblem(
            tr("{}: the rasters are of several variables ({}): choose one.").format(label, named)
        )
    patterns = _as_pattern(files)
    section: dict[str, Any] = {"files": patterns[0] if len(patterns) == 1 else patterns}
    if variable := variables.pop():
        section["variable"] = variable
    if len(systems) == 1 and (crs := systems.pop()):
        section["crs"] = crs
    return section


def first_layer(values: Sequence[Any], context: QgsProcessingContext) -> QgsRasterLayer | None:
    """Return the first of the rasters as a layer, None where QGIS cannot open it."""
    for value in values[:1]:
        if isinstance(value, QgsRasterLayer):
            return value
        text = str(value).strip()
        if os.path.isdir(os.path.expanduser(text)):
            inside = sorted(p for p in Path(text).expanduser().iterdir() if p.suffix.lower() in TIFF)
            text = str(inside[0]) if inside else text
        elif _PATTERN.search(text):
            pattern = Path(text).expanduser()
            inside = (
                sorted(pattern.parent.glob(pattern.name)) if not _PATTERN.search(str(pattern.parent)) else []
            )
            text = str(inside[0]) if inside else text
        return open_raster(text, context)
    return None


def _place(value: Any, label: str, context: QgsProcessingContext) -> tuple[str, str, str]:
    """Return a raster's file or pattern, its variable and the CRS that its layer was given, or "" each."""
    if isinstance(value, QgsRasterLayer):
        return _of_layer(value, label)
    text = str(value).strip()
    path = os.path.abspath(os.path.expanduser(text))
    if os.path.isdir(path):
        if path.lower().endswith(".zarr"):
            return path, "", ""
        if not any(entry.lower().endswith(TIFF) for entry in os.listdir(path)):
            raise RasterProblem(
                tr(
                    "{}: the folder {} holds no GeoTIFF (*.tif): name its files by a pattern, such as "
                    "{}/*.nc."
                ).format(label, path, path)
            )
        ending = "*.tif" if any(entry.endswith(".tif") for entry in os.listdir(path)) else "*.tiff"
        return os.path.join(path, ending), "", ""
    if os.path.isfile(path):
        return path, "", ""
    if _PATTERN.search(text):
        return path, "", ""
    if for_the_engine(text):
        file, _, variable = path.rpartition(":")
        return file, variable, ""
    layer = open_raster(text, context)
    if layer is None:
        raise RasterProblem(f"{label}: {unreadable(text)}")
    return _of_layer(layer, label)


def _of_layer(layer: QgsRasterLayer, label: str) -> tuple[str, str, str]:
    path = gdal_path(layer, label)
    own = layer.dataProvider().crs()
    crs = "" if own.isValid() else crs_text(layer.crs())
    if match := _SUBDATASET.match(path):
        return match["file"], match["variable"], crs
    return path, "", crs


def _as_pattern(files: Sequence[str]) -> list[str]:
    """Return files, as a pattern where they are all GeoTIFFs of one folder and nothing else is there."""
    folders = {os.path.dirname(file) for file in files}
    if len(files) < 2 or len(folders) > 1 or not all(file.endswith(".tif") for file in files):
        return list(dict.fromkeys(files))
    folder = folders.pop()
    try:
        there = {os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".tif")}
    except OSError:
        return list(dict.fromkeys(files))
    return [os.path.join(folder, "*.tif")] if there == set(files) else list(dict.fromkeys(files))
