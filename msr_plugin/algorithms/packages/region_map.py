"""A small map of the region that a model was trained on, drawn as SVG over the outlines that QGIS brings."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsCoordinateTransformContext,
    QgsCsException,
    QgsFeatureRequest,
    QgsGeometry,
    QgsRectangle,
    QgsVectorLayer,
)

from ...translation import tr

_WORLD = QgsRectangle(-180, -90, 180, 90)
_LEAST = 40.0  # degrees that the map is wide at least
_AROUND = 2.5  # how many times wider than the region
_POINTS = 0.004  # of the map's width, between points of an outline that stay
_LEAST_BOX = 0.012  # of the map's width: the smallest region that can be seen


def region_map(region: Any) -> str:
    """Return a map of a card's region as SVG, "" where the card tells none that can be drawn.

    Args:
        region: of the card's `training`: `crs` and `bounds` (xmin, ymin, xmax, ymax).
    """
    box = _degrees(region)
    if box is None:
        return ""
    view = _view(box)
    lines = "".join(f'<path d="{path}"/>' for path in _outlines(view))
    wide = max(box.width(), _LEAST_BOX * view.width())
    high = max(box.height(), _LEAST_BOX * view.width())
    middle = box.center()
    place = f'x="{middle.x() - wide / 2:.2f}" y="{-middle.y() - high / 2:.2f}" width="{wide:.2f}"'
    thin = view.width() / 800
    return (
        f'<svg width="640" height="{640 * view.height() / view.width():.0f}" '
        f'viewBox="{view.xMinimum():.2f} {-view.yMaximum():.2f} {view.width():.2f} {view.height():.2f}">'
        f'<rect x="-180" y="-90" width="360" height="180" fill="#eef3f7"/>'
        f'<g fill="none" stroke="#c8d3dc" stroke-width="{thin / 2:.3f}">{_graticule(view)}</g>'
        f'<g fill="#dcd9d0" stroke="#8d8a80" stroke-width="{thin:.3f}">{lines}</g>'
        f'<rect {place} height="{high:.2f}" fill="#c0392b" fill-opacity="0.25" stroke="#c0392b" '
        f'stroke-width="{2 * thin:.3f}"/></svg>'
    )


def in_words(region: Any) -> str:
    """Return a region's bounds in degrees, "" where there are none."""
    box = _degrees(region)
    if box is None:
        return ""
    west, east = (_side(x, "E", "W") for x in (box.xMinimum(), box.xMaximum()))
    south, north = (_side(y, "N", "S") for y in (box.yMinimum(), box.yMaximum()))
    return tr("{} to {}, {} to {}").format(west, east, south, north)


def _side(degrees: float, positive: str, negative: str) -> str:
    return f"{abs(degrees):.3g}° {positive if degrees >= 0 else negative}"


def _degrees(region: Any) -> QgsRectangle | None:
    """Return a region in longitudes and latitudes, None where it is none."""
    bounds = region.get("bounds") if isinstance(region, dict) else None
    if not isinstance(bounds, list) or len(bounds) != 4:
        return None
    if any(isinstance(n, bool) or not isinstance(n, (int, float)) or not math.isfinite(n) for n in bounds):
        return None
    crs = QgsCoordinateReferenceSystem(str(region.get("crs")))
    if not crs.isValid():
        return None
    geographic = QgsCoordinateReferenceSystem("EPSG:4326")
    try:
        to_degrees = QgsCoordinateTransform(crs, geographic, QgsCoordinateTransformContext())
        box = to_degrees.transformBoundingBox(QgsRectangle(*bounds))
    except QgsCsException:
        return None
    box = box.intersect(_WORLD)
    return None if box.isEmpty() or not box.isFinite() else box


def _view(box: QgsRectangle) -> QgsRectangle:
    """Return the part of the world that a map shows: twice as wide as high, the region amid it."""
    width = min(max(_LEAST, _AROUND * box.width(), 2 * _AROUND * box.height()), _WORLD.width())
    height = width / 2
    left = min(max(box.center().x() - width / 2, -180.0), 180.0 - width)
    bottom = min(max(box.center().y() - height / 2, -90.0), 90.0 - height)
    return QgsRectangle(left, bottom, left + width, bottom + height)


def _graticule(view: QgsRectangle) -> str:
    step = next(step for step in (5, 10, 15, 30) if view.width() / step <= 12 or step == 30)
    paths = [f"M{x} -90V90" for x in range(-180, 181, step)]
    paths += [f"M-180 {-y}H180" for y in range(-90, 91, step)]
    return f'<path d="{"".join(paths)}"/>'


def _outlines(view: QgsRectangle) -> Iterable[str]:
    """Yield the outlines of land in a view, as paths; none where QGIS has no map of the world."""
    file = f"{QgsApplication.pkgDataPath()}/resources/data/world_map.gpkg"
    layer = QgsVectorLayer(f"{file}|layername=countries", "world", "ogr")
    if not layer.isValid():
        return
    request = QgsFeatureRequest(view)
    least = _POINTS * view.width()
    for feature in layer.getFeatures(request):
        for part in feature.geometry().asGeometryCollection():
            outline = part.boundingBox()
            if max(outline.width(), outline.height()) > 2 * least and outline.intersects(view):
                yield from _paths(part.simplify(least / 2))


def _paths(polygon: QgsGeometry) -> Iterable[str]:
    if polygon.isMultipart():
        polygon.convertToSingleType()
    rings = polygon.asPolygon()
    if rings:
        yield "M" + "L".join(f"{point.x():.2f} {-point.y():.2f}" for point in rings[0]) + "Z"
