"""The part of a covariate's grid that the target covers, where the covariate reaches far beyond it."""

from __future__ import annotations

import math
from typing import Any

from qgis.core import QgsCoordinateTransform, QgsCoordinateTransformContext, QgsCsException

from ..rasters import InputRaster, crs_text

_TINY = 1e-6  # of a cell: the same edge
_WHOLE = 0.99  # of the target that must lie on the covariate, or longitudes may be counted differently


def window_on_target(
    reference: InputRaster, target: InputRaster, transforms: QgsCoordinateTransformContext
) -> dict[str, Any] | None:
    """Return a request's `grid`: the reference's cells that the target touches; None: take all of them.

    Args:
        reference: whose cells are wanted.
        target: that they are for.
        transforms: of the project.
    """
    if not (reference.crs.isValid() and target.crs.isValid() and reference.width and target.width):
        return None
    try:
        transform = QgsCoordinateTransform(target.crs, reference.crs, transforms)
        box = transform.transformBoundingBox(target.extent)
    except QgsCsException:
        return None
    own = reference.extent
    common = box.intersect(own)
    if not box.isFinite() or common.width() * common.height() < _WHOLE * box.width() * box.height():
        return None
    width, height = own.width() / reference.width, own.height() / reference.height
    left = math.floor((common.xMinimum() - own.xMinimum()) / width + _TINY)
    right = math.ceil((common.xMaximum() - own.xMinimum()) / width - _TINY)
    top = math.floor((own.yMaximum() - common.yMaximum()) / height + _TINY)
    bottom = math.ceil((own.yMaximum() - common.yMinimum()) / height - _TINY)
    if (left, top, right, bottom) == (0, 0, reference.width, reference.height):
        return None
    x, y = own.xMinimum(), own.yMaximum()
    extent = [x + left * width, y - bottom * height, x + right * width, y - top * height]
    return {"crs": crs_text(reference.crs), "resolution": [width, height], "extent": extent}
