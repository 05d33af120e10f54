"""Where a CF variable lies: its horizontal axes, by cf_xarray, as a geotransform; its CRS, by pyproj."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError

from engine.errors import InputError
from engine.raster.checks.georeference_check import checked
from engine.raster.georeference import Georeference, given_crs

if TYPE_CHECKING:
    import xarray

UNEVEN = 1e-3  # of a cell: how far coordinates may be off an even spacing
_LENGTHS = {"m": 1.0, "metre": 1.0, "meter": 1.0, "km": 1e3, "kilometre": 1e3, "kilometer": 1e3}
_TURNS = {"rad": 1.0, "radian": 1.0, "microradian": 1e-6, "urad": 1e-6}
_GRIDS = ("spatial_ref", "crs", "grid_mapping", "rotated_pole", "projection")  # names of grid mappings
_REGRID = "bring it onto an even grid first, for instance with `cdo remapcon,GRID IN.nc OUT.nc`"


class NoAxesError(Exception):
    """A variable has no axes of one dimension that say where its cells lie."""


@dataclass(frozen=True)
class Horizontal:
    """The horizontal axes of a variable.

    Attributes:
        y, x: the names of its dimensions.
        georeference: the grid, rows and columns as the file holds them.
        notes: what the file left open, and how it was taken.
    """

    y: str
    x: str
    georeference: Georeference
    notes: tuple[str, ...]


def horizontal(data: xarray.Dataset, name: str, given_crs: str | None, called: str) -> Horizontal:
    """Find the horizontal axes of a variable.

    Args:
        data: the data set, its values as the file holds them, with cf_xarray's axes guessed.
        name: of the variable.
        given_crs: the user's, for a file that says none.
        called: how sentences call the raster.

    Raises:
        NoAxesError: it has no axes of one dimension.
        InputError: the axes are no even grid, or their CRS is not known.
    """
    array = data[name]
    y, x = _coordinate(data, array, "Y", "latitude"), _coordinate(data, array, "X", "longitude")
    if y is None or x is None:
        _refuse_curvilinear(data, array, called)
        raise NoAxesError
    crs, notes = _crs(data, array, (y, x), given_crs, called)
    across, turned = _values(data, x, crs, called)
    along, _ = _values(data, y, crs, called)
    steps = [_step(values, called) for values in (across, along)]
    dx = steps[0] or _width(data, x, called) or abs(steps[1] or 0)
    dy = steps[1] or _width(data, y, called) or abs(steps[0] or 0)
    if not dx or not dy:
        raise InputError(f"{called} has one cell only, of unknown size: give it bounds, or as a GeoTIFF.")
    affine = Affine(dx, 0, across[0] - dx / 2, 0, dy, along[0] - dy / 2)
    if turned:
        notes.append("its longitudes are turned by 360° where they pass the seam")
    place = checked(Georeference(crs, affine, across.size, along.size), called)
    return Horizontal(str(data[y].dims[0]), str(data[x].dims[0]), place, tuple(notes))


def _coordinate(data: Any, array: Any, axis: str, coordinate: str) -> str | None:
    """Return the variable of one dimension of the array's that is its axis."""
    known = [*data.cf.axes.get(axis, []), *data.cf.coordinates.get(coordinate, [])]
    fitting = [n for n in dict.fromkeys(known) if data[n].ndim == 1 and data[n].dims[0] in array.dims]
    named = [n for n in fitting if n in array.dims]
    return (named or fitting or [None])[0]


def _refuse_curvilinear(data: Any, array: Any, called: str) -> None:
    """Refuse grids whose cells have a longitude and latitude each, by their names."""
    places = [*data.cf.coordinates.get("longitude", []), *data.cf.coordinates.get("latitude", [])]
    places += [n for n in data.variables if str(n).lower() in ("xlat", "xlong", "nav_lat", "nav_lon")]
    shapes = [data[n] for n in places if set(data[n].dims) <= set(array.dims)]
    if any(place.ndim >= 2 for place in shapes):
        raise InputError(
            f"{called} is on a curvilinear grid (longitudes and latitudes of two dimensions): {_REGRID}."
        )
    if len(shapes) >= 2 and len({place.dims for place in shapes}) == 1:
        raise InputError(
            f"{called} is on an unstructured mesh, or is of single places (one dimension holds longitude and "
            f"latitude): {_REGRID}."
        )


def _values(data: Any, name: str, crs: CRS, called: str) -> tuple[NDArray[np.float64], bool]:
    """Return an axis' coordinates in the CRS' units, and whether they had to be turned round the globe."""
    axis = data[name]
    values = np.asarray(axis.values, np.float64)
    if "scale_factor" in axis.attrs or "add_offset" in axis.attrs:
        values = values * float(axis.attrs.get("scale_factor", 1)) + float(axis.attrs.get("add_offset", 0))
    if not np.isfinite(values).all():
        raise InputError(f"{called} has an axis ({name}) with missing coordinates: mend the file first.")
    units = str(axis.attrs.get("units", "")).strip().rstrip("s")
    if not crs.is_geographic:
        if units in _TURNS:
            height = _satellite_height(crs)
            values = values * _TURNS[units] * height
        elif units in _LENGTHS:
            values = values * _LENGTHS[units] / (crs.linear_units_factor[1] if crs.is_projected else 1.0)
        elif units.startswith("degree"):
            raise InputError(
                f"{called} has axes in degrees, but its grid mapping is projected: mend the file."
            )
        return values, False
    if units in _TURNS:
        return np.rad2deg(values * _TURNS[units]), False
    if name not in [*data.cf.axes.get("X", []), *data.cf.coordinates.get("longitude", [])]:
        return values, False
    turned = np.unwrap(values, period=360.0)
    changed = bool(np.abs(turned - values).max() > 1) if values.size else False
    while turned.min() >= 180:  # as GDAL and QGIS show them
        turned = turned - 360
    while turned.max() <= -180:
        turned = turned + 360
    return turned, changed


def _satellite_height(crs: CRS) -> float:
    return float(crs.to_dict().get("h", 1.0))


def _step(values: NDArray[np.float64], called: str) -> float | None:
    """Return the spacing of even coordinates, None of a single one."""
    if values.size < 2:
        return None
    step = (values[-1] - values[0]) / (values.size - 1)
    off = np.abs(values - (values[0] + step * np.arange(values.size))).max()
    # float32 longitudes are off by up to 1.5e-5 of a degree.
    loose = max(UNEVEN * abs(step) * max(1, values.size / 100), 4e-7 * np.abs(values).max())
    if step == 0 or off > min(loose, 0.05 * abs(step)):
        raise InputError(
            f"{called}: its cells are not evenly spaced (a Gaussian or stretched grid): {_REGRID}."
        )
    return _plain(step, values.size, 4e-7 * float(np.abs(values).max()))


def _plain(step: float, count: int, noise: float) -> float:
    """Return the spacing without the rounding of coordinates: 0.25 for 0.2499999."""
    allowed = min(2 * noise / max(count - 1, 1), 1e-3 * abs(step) / count)
    for parts in (1, 10, 100, 1000, 10_000, 3, 6, 12, 24, 60, 120, 240, 3600, 7200):
        candidate = round(step * parts) / parts
        if candidate and abs(candidate - step) <= allowed:
            return candidate
    return float(step)


def _width(data: Any, name: str, called: str) -> float | None:
    """Return the width of a single cell from its bounds."""
    bounds = data[name].attrs.get("bounds", data[name].encoding.get("bounds"))
    if bounds not in data.variables or data[bounds].size != 2:
        return None
    low, high = (float(v) for v in np.ravel(data[bounds].values))
    if not (math.isfinite(low) and math.isfinite(high)) or low == high:
        raise InputError(f"{called} has bounds ({bounds}) without width: mend the file first.")
    return high - low


def _crs(
    data: Any, array: Any, axes: tuple[str, str], given: str | None, called: str
) -> tuple[CRS, list[str]]:
    """Return the CRS of a variable, and what was left open."""
    mapping = _grid_mapping(data, array)
    if mapping is not None and (its_own := _of_mapping(mapping, called)) is not None:
        return its_own, []
    if given is not None:
        return given_crs(given, called), []
    rotated = any("grid_l" in str(data[axis].attrs.get("standard_name", "")) for axis in axes)
    if rotated or {str(axis).lower() for axis in axes} == {"rlat", "rlon"}:
        raise InputError(
            f"{called} is on a rotated pole, but no grid mapping says where the pole is: give its CRS, or a "
            f"file with its grid mapping."
        )
    degrees = [str(data[axis].attrs.get("units", "")).lower().startswith("degree") for axis in axes]
    names = {n for key in ("latitude", "longitude") for n in data.cf.coordinates.get(key, [])}
    if all(degrees) or set(axes) <= names:
        latitudes = np.abs(np.asarray(data[axes[0]].values, np.float64))
        if latitudes.size and latitudes.max() <= 91:
            return CRS.from_epsg(4326), ["it has no grid mapping: its degree axes are read as EPSG:4326"]
    raise InputError(f"{called} says no CRS: give it one, or a file with a grid mapping.")


def _grid_mapping(data: Any, array: Any) -> dict[str, Any] | None:
    """Return the attributes of the variable's grid mapping."""
    written = str(array.attrs.get("grid_mapping", array.encoding.get("grid_mapping", "")))
    names = [word.rstrip(":") for word in written.split()] or list(_GRIDS)
    for name in names:
        if name in data.variables:
            attributes = dict(data[name].attrs)
            if {"grid_mapping_name", "crs_wkt", "spatial_ref"} & set(attributes):
                return attributes
    return None


def _of_mapping(attributes: dict[str, Any], called: str) -> CRS | None:
    from pyproj import CRS as ProjCRS
    from pyproj.exceptions import CRSError as ProjError

    plain = {k: v.item() if isinstance(v, np.generic) else v for k, v in attributes.items()}
    plain = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in plain.items()}
    if plain.get("crs_wkt") == "" or plain.get("spatial_ref") == "":
        plain = {k: v for k, v in plain.items() if v != ""}
    try:
        crs = ProjCRS.from_cf(plain)
        epsg = crs.to_epsg()
        if epsg is None and type(crs).__name__ == "GeographicCRS" and _is_wgs84(crs):
            epsg = 4326
        return CRS.from_epsg(epsg) if epsg else CRS.from_wkt(crs.to_wkt())
    except (ProjError, CRSError, KeyError, TypeError, ValueError) as error:
        kind = plain.get("grid_mapping_name", "crs_wkt")
        raise InputError(
            f"{called} has a grid mapping ({kind}) that cannot be read: warp it to a usual CRS first."
        ) from error


def _is_wgs84(crs: Any) -> bool:
    ellipsoid, meridian = crs.ellipsoid, crs.prime_meridian
    same = ellipsoid is not None and abs(ellipsoid.semi_major_metre - 6378137) < 1
    same = same and abs(ellipsoid.inverse_flattening - 298.257223563) < 1e-3
    return bool(same and meridian is not None and meridian.longitude == 0)
