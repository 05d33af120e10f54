"""A coordinate reference system in a few words, for people: never its WKT."""

from __future__ import annotations

from functools import lru_cache

from pyproj import CRS
from pyproj.exceptions import CRSError

_NAMELESS = ("", "unknown", "unnamed", "undefined", "undefined geographic srs", "none", "custom", "user")
_MERIDIANS = ("longitude of natural origin", "longitude of false origin", "longitude of projection centre")
_WORDS = ("Transverse", "Oblique", "Polar", "Equidistant")  # begin a method's name, but are none
LONGEST = 48  # letters of a name that somebody gave


def crs_name(text: str) -> str:
    """Return a code (EPSG:32631), a name, or what kind a custom one is.

    Args:
        text: any that PROJ reads: a code, WKT, a PROJ string.
    """
    return _name(str(text))


def cell_size(width: float, height: float, text: str) -> str:
    """Return the size of cells with its units: 500 m × 500 m, 0.25° × 0.25°.

    Args:
        width: of a cell, in units of the CRS; its sign does not count.
        height: likewise.
        text: the CRS, any that PROJ reads; the units are left out where it is unknown.
    """
    units = _units(str(text))
    return f"{abs(width):.6g}{units} × {abs(height):.6g}{units}"


@lru_cache(maxsize=64)
def _units(text: str) -> str:
    try:
        name = str(CRS.from_user_input(text).axis_info[0].unit_name)
    except (CRSError, IndexError):
        return ""
    return {"degree": "°", "metre": " m", "kilometre": " km", "foot": " ft"}.get(name, f" {name}")


@lru_cache(maxsize=64)
def _name(text: str) -> str:
    try:
        crs = CRS.from_user_input(text)
        authority = crs.to_authority(min_confidence=100)
    except CRSError:
        return "custom CRS"
    if authority:
        return ":".join(authority)
    name = " ".join(str(crs.name).split())
    if name.lower() not in _NAMELESS and len(name) <= LONGEST:
        return name
    return f"custom CRS ({_kind(crs)})"


def _kind(crs: CRS) -> str:
    """Return the projection and its central meridian, or what else it is."""
    operation = crs.coordinate_operation
    if operation is None:
        return "geographic" if crs.is_geographic else "not projected"
    method = operation.method_name.removeprefix("PROJ ").replace("_", " ")
    first, _, rest = method.partition(" ")
    words = f"{first.lower() if first in _WORDS else first} {rest}".strip()
    for parameter in operation.params:
        if parameter.name.lower() in _MERIDIANS and "degree" in str(parameter.unit_name).lower():
            east = float(parameter.value)
            return f"{words}, {abs(east):g}° {'W' if east < 0 else 'E'}"
    return words
