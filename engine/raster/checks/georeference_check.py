"""Refuses georeferences that are none on the globe, by name and with the command that helps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from affine import Affine
from pyproj import CRS as ProjCRS
from pyproj.exceptions import CRSError as ProjError
from rasterio.crs import CRS

from engine.errors import InputError
from engine.raster.crs_name import crs_name
from engine.raster.georeference import Georeference

_FARTHEST = 1e8  # metres from the origin of a projected CRS: numbers of zones stand before eastings up to 6e7
_PAST_POLE = 120  # part of a turn: half a coarse cell that is centred on a pole, however finely divided
_TURNS = 2  # full turns that longitudes may be away from zero


def placed(file: Any, crs: Callable[[], CRS], what: str) -> Georeference:
    """Return the georeference of a raster that GDAL has opened.

    Args:
        file: a `rasterio.DatasetReader`.
        crs: returns the file's CRS, or the one that it is given.
        what: how sentences call it.

    Raises:
        InputError: it has none that can be used.
    """
    if file.transform.is_identity:
        _refuse_other_georeference(file, what)
    return checked(Georeference(crs(), file.transform, file.width, file.height), what)


def _refuse_other_georeference(file: Any, what: str) -> None:
    """Say how a raster without a geotransform is placed instead."""
    if file.gcps[0]:
        raise InputError(
            f"{what} is placed by ground control points: bring it onto a grid first, for instance with "
            f"gdalwarp -tps IN OUT."
        )
    if file.tags(ns="GEOLOCATION"):
        raise InputError(
            f"{what} has a curvilinear grid, with a longitude and latitude for each cell: bring it onto a "
            f"regular one first, for instance with gdalwarp -geoloc IN OUT."
        )
    if file.rpcs is not None:
        raise InputError(
            f"{what} is an unrectified image, placed by rational polynomials (RPC): rectify it first, for "
            f"instance with gdalwarp -rpc IN OUT."
        )
    raise InputError(
        f"{what} is not georeferenced: give it its place first, for instance with gdal_edit.py -a_ullr and "
        f"-a_srs."
    )


def checked(georeference: Georeference, what: str) -> Georeference:
    """Return a georeference with the horizontal part of its CRS alone.

    Raises:
        InputError: it is no place on the globe; the sentence names `what`.
    """
    crs, transform = checked_crs(georeference.crs, f"{what}: its CRS"), georeference.transform
    width, height = georeference.width, georeference.height
    if not all(math.isfinite(v) for v in transform[:6]):
        raise InputError(
            f"{what} has a georeference that is not a number: set it anew, for instance with gdal_edit.py "
            f"-a_ullr."
        )
    if transform.determinant == 0:
        raise InputError(f"{what} has cells of no size: set its extent anew with gdal_edit.py -a_ullr.")
    corners = [transform * (c, r) for c in (0, width) for r in (0, height)]
    result = Georeference(crs, transform, width, height)
    if crs.is_geographic:
        _check_degrees(result, corners, what)
    else:
        remedy = "its CRS or the size of its cells is wrong (gdal_edit.py -a_srs, -a_ullr)"
        check_reach(crs, [v for corner in corners for v in corner], f"{what} reaches", remedy)
    return result


def check_reach(crs: CRS, coordinates: Iterable[float], what: str, remedy: str) -> None:
    """Refuse coordinates of a CRS in units of length that lie beyond the globe.

    Raises:
        InputError: one does; the sentence begins with `what` and ends with `remedy`.
    """
    metres = crs.linear_units_factor[1] if crs.is_projected else 1.0
    farthest = max(map(abs, coordinates)) * metres
    if farthest > _FARTHEST:
        raise InputError(
            f"{what} to {farthest / 1000:.3g} km from the origin of {crs_name(crs.to_wkt())}, which is "
            f"not on the globe: {remedy}."
        )


def highest_latitude(turn: float, cell: float) -> float:
    """Return how far from the equator a raster may reach: its cells may be centred on a pole.

    Args:
        turn: a full one in units of the CRS: 360 in degrees.
        cell: its cells' height.
    """
    return turn / 4 + max(cell, turn / _PAST_POLE)


def farthest_longitude(turn: float) -> float:
    """Return how far from longitude zero a raster may reach."""
    return turn * _TURNS


def _check_degrees(georeference: Georeference, corners: list[tuple[float, float]], what: str) -> None:
    transform: Affine = georeference.transform
    turn = georeference.circle or 360.0
    highest = max((abs(y) for _, y in corners))
    if highest > highest_latitude(turn, abs(transform.d) + abs(transform.e)):
        raise InputError(
            f"{what} reaches to latitude {highest:.6g}: its CRS is not "
            f"{crs_name(georeference.crs.to_wkt())}, or its axes are exchanged "
            f"(gdal_edit.py -a_srs, -a_ullr)."
        )
    farthest = max(abs(x) for x, _ in corners)
    if farthest > farthest_longitude(turn):
        raise InputError(
            f"{what} reaches to longitude {farthest:.6g}: its CRS is not "
            f"{crs_name(georeference.crs.to_wkt())}, or the size of its cells is wrong "
            f"(gdal_edit.py -a_srs, -a_ullr)."
        )
    columns = turn / abs(transform.a) if transform.a else math.inf
    if georeference.upright and georeference.width > columns + 1.5:
        span = georeference.width * abs(transform.a)
        raise InputError(
            f"{what} goes round the globe more than once, over {span:.6g} units of longitude: cut it to one "
            f"turn, for instance with gdal_translate -srcwin 0 0 {round(columns)} {georeference.height} "
            f"IN OUT."
        )


def repeated_column(georeference: Georeference, what: str) -> str | None:
    """Return a sentence where a raster's last column lies on its first one again."""
    if georeference.period is None or georeference.width == georeference.period:
        return None
    return f"{what}: its last column lies on the first one again, a full turn on."


def checked_crs(crs: CRS, what: str) -> CRS:
    """Return the horizontal part of a CRS.

    Raises:
        InputError: it has none; the sentence begins with `what`.
    """
    kind, wkt = _horizontal(crs.to_wkt())
    if kind:
        raise InputError(
            f"{what} is {kind}, which says no place on a map: assign a geographic or projected one, for "
            f"instance with gdal_edit.py -a_srs."
        )
    return crs if wkt is None else CRS.from_wkt(wkt)


@lru_cache(maxsize=64)
def _horizontal(wkt: str) -> tuple[str, str | None]:
    """Return why a CRS has no horizontal part, or the WKT of that part where it is not the whole."""
    try:
        whole = ProjCRS.from_wkt(wkt)
    except ProjError:
        return "one that PROJ cannot read", None
    crs = whole
    while crs.is_compound and crs.sub_crs_list:
        crs = crs.sub_crs_list[0]
    if crs.is_geocentric:
        return "geocentric (X, Y and Z from the centre of the earth)", None
    if crs.is_vertical:
        return "vertical (heights alone)", None
    if crs.is_engineering:
        return "an engineering one, local to a site", None
    if not (crs.is_geographic or crs.is_projected):
        return "neither geographic nor projected", None
    if len(crs.axis_info) == 3:
        crs = crs.to_2d()
    return "", None if crs is whole else crs.to_wkt()
