"""What the conventions of GeoZarr say of a grid, beside CF: its CRS (proj) and its place (spatial)."""

from __future__ import annotations

from typing import Any

from affine import Affine
from pyproj import CRS

_SCHEMA = "https://raw.githubusercontent.com/zarr-conventions/{}/refs/tags/v1/schema.json"
_SPEC = "https://github.com/zarr-conventions/{}/blob/v1/README.md"
_PROJ = {
    "schema_url": _SCHEMA.format("geo-proj"),
    "spec_url": _SPEC.format("geo-proj"),
    "uuid": "f17cb550-5864-4468-aeb7-f3180cfb622f",
    "name": "proj",
    "description": "Coordinate reference system information for geospatial data",
}
_SPATIAL = {
    "schema_url": _SCHEMA.format("spatial"),
    "spec_url": _SPEC.format("spatial"),
    "uuid": "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4",
    "name": "spatial",
    "description": "Spatial coordinate information",
}


def geozarr_attributes(
    dimensions: tuple[str, str], size: tuple[int, int], affine: Affine, crs: Any
) -> dict[str, Any]:
    """Return the attributes of an array.

    Args:
        dimensions: names of rows and columns.
        size: rows and columns.
        affine: from (column, row) to coordinates, without a turn.
        crs: what pyproj takes, or None.
    """
    rows, columns = size
    across = sorted((affine.c, affine.c + columns * affine.a))
    down = sorted((affine.f, affine.f + rows * affine.e))
    told: dict[str, Any] = {
        "spatial:dimensions": list(dimensions),
        "spatial:transform_type": "affine",
        "spatial:transform": [affine.a, affine.b, affine.c, affine.d, affine.e, affine.f],
        "spatial:shape": [rows, columns],
        "spatial:bbox": [across[0], down[0], across[1], down[1]],
        "spatial:registration": "pixel",
    }
    if crs is None:
        return {"zarr_conventions": [_SPATIAL], **told}
    own = CRS.from_user_input(crs)
    authority = own.to_authority()
    named = {"proj:code": ":".join(authority)} if authority else {"proj:wkt2": own.to_wkt()}
    return {"zarr_conventions": [_PROJ, _SPATIAL], **named, **told}
