"""From raster layers to what the engine can open: file paths and GDAL names."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsCoordinateTransformContext,
    QgsCsException,
    QgsProcessingContext,
    QgsProcessingUtils,
    QgsRasterLayer,
    QgsRectangle,
)
from qgis.PyQt.QtCore import QUrl

from ..appearance.zarr_layer import holds_several_fields
from ..compat import RASTER_HINT, WKT2
from ..folders import too_long
from ..translation import tr
from .places import absolute_name

_LONGEST_NAME = 48  # letters of a CRS's name that can stand in a sentence
_NAMELESS = ("unknown", "unnamed", "undefined", "custom")
_LAYER_OPTIONS = re.compile(r"\|(option|credential|layername|authcfg|uniqueGeometryType)[:=].*$", re.DOTALL)
_SUBDATASET = re.compile(
    r"^[A-Za-z0-9_]{2,}:(?:\"(?P<quoted>[^\"]+)\"(?::.*)?|(?P<plain>.+?)(?:://.*|:[^:/\\]*)?)$", re.DOTALL
)
# Metadata of a band that the engine reads a date from.
_DATE_ITEM = re.compile(r">\s*(?:DATE|TIME|NETCDF_DIM_\w+|GRIB_VALID_TIME)=", re.IGNORECASE)


class RasterProblem(Exception):
    """A raster layer that the engine cannot use; `str(error)` is one sentence."""


@dataclass(frozen=True)
class InputRaster:
    """A raster input as plain data, so that it can leave the main thread."""

    label: str  # of the parameter, as a sentence names it
    path: str
    band: int | None
    bands: int
    crs: QgsCoordinateReferenceSystem
    extent: QgsRectangle
    width: int
    height: int
    given_crs: str = ""  # the user's, for a file that says none


def describe(layer: QgsRasterLayer, label: str, band: int | None) -> InputRaster:
    """Take from a layer what the run needs.

    Raises:
        RasterProblem: no file or GDAL data set, no CRS, or no such band; the sentence names `label`.
    """
    return InputRaster(
        label=label,
        path=gdal_path(layer, label),
        band=_checked_band(layer, label, band),
        bands=layer.bandCount(),
        crs=_checked_crs(layer, label),
        extent=layer.extent(),
        width=layer.width(),
        height=layer.height(),
        given_crs="" if layer.dataProvider().crs().isValid() else crs_text(layer.crs()),
    )


def open_raster(text: str, context: QgsProcessingContext) -> QgsRasterLayer | None:
    """Return the raster of a file, a layer's name or id, or a GDAL name; None where there is none."""
    text = text.strip()
    if not text or holds_several_fields(text):  # the engine reads it
        return None
    if text[:5].lower() == "file:":
        text = QUrl(text).toLocalFile() or text
    layer = QgsProcessingUtils.mapLayerFromString(text, context, True, RASTER_HINT)
    if layer is None and (file_of(text) != text or text.startswith("/vsi")):
        layer = QgsRasterLayer(text, text.rsplit(":", 1)[-1], "gdal")
        if not layer.isValid():
            return None
        context.temporaryLayerStore().addMapLayer(layer)  # which keeps it for the run
    return layer if isinstance(layer, QgsRasterLayer) else None


def unreadable(text: object) -> str:
    """Return, as the end of a sentence, why a text leads to no raster."""
    name = str(text).strip()
    if os.path.exists(os.path.expanduser(file_of(QUrl(name).toLocalFile() or name))):
        return tr("{} cannot be read as a raster: it is damaged, not whole, or something else.").format(name)
    if problem := too_long(file_of(name)):
        return f"{name}: {problem}"
    return tr("there is no raster {}: check the name.").format(name)


def gdal_path(layer: QgsRasterLayer, label: str) -> str:
    """Return the name under which GDAL opens a layer's data, from whatever folder.

    Raises:
        RasterProblem: the layer is no GDAL raster (a web service, say).
    """
    if not layer.isValid():
        raise RasterProblem(tr("{}: the layer “{}” cannot be read.").format(label, layer.name()))
    provider = layer.providerType()
    if provider != "gdal":
        raise RasterProblem(
            tr(
                "{}: “{}” is a layer of the kind “{}”, not a raster file; save it as GeoTIFF (Export "
                "> Save As, raw data) and choose that."
            ).format(label, layer.name(), provider)
        )
    path = _LAYER_OPTIONS.sub("", layer.source())
    if path.startswith("/vsimem/"):
        raise RasterProblem(
            tr(
                "{}: “{}” lies in the memory of QGIS, where the engine cannot read it; save it as "
                "GeoTIFF and choose that."
            ).format(label, layer.name())
        )
    return absolute_name(path)


def may_be_dated(layer: QgsRasterLayer, band: int | None) -> bool:
    """Return False only where no band (or the one chosen) has anything in which a date could stand."""
    numbers = range(1, layer.bandCount() + 1) if band is None else (band,)
    if any(":" in layer.bandName(number) for number in numbers):  # “Band 1: its description”
        return True
    return _DATE_ITEM.search(layer.dataProvider().htmlMetadata()) is not None


def file_of(path: str) -> str:
    """Return the file behind a path or a GDAL subdataset name."""
    match = _SUBDATASET.match(path)
    return (match["quoted"] or match["plain"]) if match else path


def overlap(
    extent: QgsRectangle,
    crs: QgsCoordinateReferenceSystem,
    other: QgsRectangle,
    other_crs: QgsCoordinateReferenceSystem,
    transforms: QgsCoordinateTransformContext,
) -> bool:
    """Return False only where two extents certainly do not meet; longitudes go round."""
    if not (crs.isValid() and other_crs.isValid()):  # what the engine makes of them, QGIS cannot tell
        return True
    try:
        moved = QgsCoordinateTransform(crs, other_crs, transforms).transformBoundingBox(extent)
    except QgsCsException:  # reaches beyond what the projection can do: the engine will tell
        return True
    if not moved.isFinite():
        return True
    # The box of a warped extent has some slack; so has ours, or a raster at its edge would be refused.
    shifts = (-360.0, 0.0, 360.0) if other_crs.isGeographic() else (0.0,)
    return any(
        moved.xMinimum() + shift < other.xMaximum()
        and moved.xMaximum() + shift > other.xMinimum()
        and moved.yMinimum() < other.yMaximum()
        and moved.yMaximum() > other.yMinimum()
        for shift in shifts
    )


def _checked_band(layer: QgsRasterLayer, label: str, band: int | None) -> int | None:
    if band is not None and not 1 <= band <= layer.bandCount():
        raise RasterProblem(
            tr("{}: band {} does not exist, “{}” has {}.").format(
                label,
                band,
                layer.name(),
                tr("1 band") if layer.bandCount() == 1 else tr("{} bands").format(layer.bandCount()),
            )
        )
    return band


def _checked_crs(layer: QgsRasterLayer, label: str) -> QgsCoordinateReferenceSystem:
    """Return the file's own CRS, else the one that the user gave the layer, which may be none.

    Whether a file of another kind than GeoTIFF needs one the engine decides: it reads NetCDF by its axes,
    where QGIS may see no CRS.
    """
    crs = layer.dataProvider().crs()
    plain = gdal_path(layer, label).lower().endswith((".tif", ".tiff"))
    if plain and not crs.isValid() and not layer.crs().isValid():  # no axes that could tell
        raise RasterProblem(
            tr(
                "{}: “{}” has no coordinate reference system in its file; give it one with “Assign "
                "projection”."
            ).format(label, layer.name())
        )
    if not crs.isValid():
        return layer.crs()
    if layer.crs().isValid() and layer.crs() != crs:
        raise RasterProblem(
            tr(
                "{}: “{}” is in {} by its file, but the layer was set to {}; write the right one "
                "into the file with “Assign projection”."
            ).format(label, layer.name(), _crs_name(crs), _crs_name(layer.crs()))
        )
    return crs


def crs_text(crs: QgsCoordinateReferenceSystem) -> str:
    """Return a CRS as the engine reads it: its code where it has one, else WKT; "" for none."""
    if not crs.isValid():
        return ""
    code = crs.authid()
    return code if code.split(":")[0] in ("EPSG", "ESRI", "IAU_2015") else crs.toWkt(WKT2)


def _crs_name(crs: QgsCoordinateReferenceSystem) -> str:
    """Return a code or a short name, never WKT, which QGIS gives some custom ones for a name."""
    code, name = crs.authid(), " ".join(crs.description().split())
    if code and not code.startswith("USER:"):
        return code
    named = name and len(name) <= _LONGEST_NAME and "[" not in name and name.lower() not in _NAMELESS
    return tr("{} (a custom CRS)").format(name) if named else tr("a custom CRS")
