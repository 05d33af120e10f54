"""An `xarray.DataArray` read as a variable of a CF file is: windows of it, loaded when they are asked for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from engine.errors import InputError
from engine.raster.cf.cf_file import CfFile
from engine.raster.cf.dask_values import loaded
from engine.raster.cf.kept_chunks import KEPT
from engine.raster.cf.variables import LIBRARY
from engine.raster.held_raster import HeldRaster
from engine.raster.raster_file import go_on

_MAPPING = ("crs_wkt", "spatial_ref", "grid_mapping_name")  # an attribute of a grid mapping
_IN_TIME = "Mm"  # kinds of numpy's dates


class CfArray(CfFile):
    """A data array with CF axes.

    Args:
        ref: that holds it.
        label: how sentences call it.
        check: see `RasterFile`.

    Raises:
        InputError: axes that are no even grid, no CRS.
        NoAxesError: it has no axes of one dimension that CF knows.
    """

    def __init__(self, ref: HeldRaster, label: str, check: Callable[[], None] = go_on) -> None:
        self.label, self._name, self._ref, self.check = label, ref.path, ref, check
        self._chunks_owner, self._path = object(), ""
        with LIBRARY:
            self._data, name = _as_in_a_file(ref.data, f"{label}: {ref.path}")
            self._open(name, ref)
        self.doubts += _lost_bounds(ref.data)

    def _loaded(self, part: Any) -> Any:
        return loaded(part, f"{self.label}: {self._name}")

    @property
    def files(self) -> tuple[str, ...]:
        """None: whoever made the array knows where it comes from."""
        return ()

    def close(self) -> None:
        """Leave the array as it is: it is the caller's."""
        KEPT.forget(self._chunks_owner)


def _lost_bounds(array: Any) -> list[str]:
    """Say that dates may be a step late: an array cannot hold their bounds, only the name is left."""
    for name, each in array.coords.items():
        bounds = {**each.encoding, **each.attrs}.get("bounds")
        if bounds is None or bounds in array.coords or each.ndim > 1:
            continue
        try:
            days, midnight = np.unique(each.dt.day), (each.dt.hour == 0) & (each.dt.minute == 0)
        except (AttributeError, TypeError):  # no times
            continue
        if midnight.all() and (days.size > 1 or 1 in days):  # else they lie within their steps
            return [
                f"its {name} has lost its bounds ({bounds}), which an array cannot hold, and may be the end "
                "of each step: then its dates are a step late, so give the file, or times within the steps"
            ]
    return []


def _as_in_a_file(array: Any, called: str) -> tuple[Any, str]:
    """Return a data set with the array as a CF file holds it, times as numbers, and the variable's name."""
    import cf_xarray  # noqa: F401  (adds .cf)
    import xarray

    name = str(array.name or "target")
    if name in array.coords:
        raise InputError(f"{called} has the name of one of its coordinates: rename it.")
    coordinates = dict(_coordinates(array, called))
    variable = array.variable.copy(deep=False)
    known = (variable.encoding.get("grid_mapping"), variable.attrs.get("grid_mapping"))
    mapping = next((m for m in known if m in array.coords), None) or next(
        (key for key, each in array.coords.items() if any(a in each.attrs for a in _MAPPING)), None
    )
    variable.encoding = {}  # of the file that it was read from: its values are unpacked
    if mapping is not None:
        variable.attrs = {**variable.attrs, "grid_mapping": str(mapping)}
    raw = xarray.Dataset({**coordinates, name: variable}, attrs={})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names in attributes that nothing has
        data = xarray.decode_cf(
            raw, mask_and_scale=False, decode_times=False, concat_characters=False, decode_coords="all"
        )
    return data.cf.guess_coord_axis(), name


def _coordinates(array: Any, called: str) -> Iterator[tuple[Any, Any]]:
    """Yield the coordinates as a file holds them, without those beside the axes that no file could hold.

    Raises:
        InputError: an axis is of a kind that CF does not know.
    """
    for name, each in array.coords.items():
        encoded = _encoded(name, each.variable)
        if encoded is not None:
            yield name, encoded
        elif name in array.dims:
            raise InputError(
                f"{called} has an axis ({name}) of a kind that CF does not know ({each.dtype}): convert it "
                "to numbers or to dates (datetime64, cftime)."
            )


def _encoded(name: Any, variable: Any) -> Any | None:
    """Return a coordinate as a file holds it, None where none could."""
    made = variable.to_base_variable().copy(deep=False)
    in_time = made.dtype.kind in _IN_TIME or made.dtype == object
    told = {k: v for k, v in variable.encoding.items() if in_time and k in ("units", "calendar")}
    # What an array was read with may not fit what it holds now.
    encoded = _as_told(name, made, told)
    return _as_told(name, made, {}) if encoded is None else encoded


def _as_told(name: Any, variable: Any, encoding: dict[str, Any]) -> Any | None:
    """Return a coordinate by an encoding, None where it cannot be written so."""
    import xarray

    variable.encoding = encoding
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of how finely times are told
            return xarray.conventions.cf_encoder({name: variable}, {})[0][name]
    except Exception:  # whatever xarray raises: object arrays hold anything
        return None
