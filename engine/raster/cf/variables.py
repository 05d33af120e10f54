"""What is inside a NetCDF or HDF5 file or a Zarr store: its groups and fields, and the one that is meant."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.broken_packages import importing
from engine.errors import InputError
from engine.raster.cf.store_contents import is_store

_DEEPEST = 5  # groups inside groups of a store
_LISTED = 12  # variables that a sentence lists
_SPOILT = (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, IndexError)

LIBRARY = threading.RLock()  # netCDF's and HDF5's libraries crash where two threads are in them at once


def open_field(path: str | Any, variable: str | None, called: str) -> tuple[Any, str]:
    """Open the group that holds a variable, its values as the file holds them.

    Args:
        path: of the file, or of the store's folder; or a store as Zarr's library knows one.
        variable: its name, with its groups before it: Grid/precipitation; None: the only field.
        called: how sentences call the raster.

    Returns:
        The xarray data set, with cf_xarray's axes guessed, and the variable's name in it.

    Raises:
        InputError: it cannot be read, has no such variable or several fields to choose from.
    """
    wanted = variable.strip("/") if variable else None
    if wanted is not None and "/" in wanted:
        group, _, name = wanted.rpartition("/")
        data = _open(path, group, called)
        if name in data.variables:
            return data, name
        data.close()
        raise InputError(f"{called} has no variable {wanted} ({_inside(_all_fields(path, called))}).")
    if wanted is not None:  # most often it lies in the root: the other groups need not be opened
        data = _open(path, "", called)
        if wanted in data.data_vars and _is_field(wanted, data[wanted]):
            return data, wanted
        data.close()
    inside = list(_all_fields(path, called))
    if wanted is None:
        names = [name for name, _ in inside]
        if len(names) != 1:
            why = "has no variable with two or more dimensions" if not names else "has several variables"
            short = Path(path).name if isinstance(path, str) else "NAME"
            pick = f": choose one, as {short}:{names[0]}" if names else ""
            raise InputError(f"{called} {why}{pick} ({_inside(inside)}).")
        wanted = names[0]
    else:
        deep = [name for name, _ in inside if name.rpartition("/")[2] == wanted]
        wanted = wanted if wanted in [n for n, _ in inside] or len(deep) != 1 else deep[0]
    group, _, name = wanted.rpartition("/")
    data = _open(path, group, called)
    if name not in data.variables:
        data.close()
        raise InputError(f"{called} has no variable {wanted} ({_inside(inside)}).")
    return data, name


def _all_fields(path: str | Any, called: str) -> Iterator[tuple[str, str]]:
    for group in _groups(path, called):
        data = _open(path, group, called)
        try:
            for name, array in data.data_vars.items():
                if _is_field(str(name), array):
                    yield (f"{group}/{name}" if group else str(name)), str(array.attrs.get("units", ""))
        finally:
            data.close()


def _is_field(name: str, array: Any) -> bool:
    return array.dtype.kind in "iufc" and array.ndim >= 2 and not _helper(name, array)


def _helper(name: str, array: Any) -> bool:
    """Return whether a variable only describes others: bounds, or places of cells."""
    tail = array.dims[-1] in ("bnds", "bounds", "nv", "nbnd", "vertices", "nvertex", "tbnds", "axis_nbounds")
    place = array.attrs.get("standard_name") in ("longitude", "latitude", "time")
    return (
        tail or place or name.lower() in ("lat", "lon", "latitude", "longitude", "xlat", "xlong", "time_bnds")
    )


def _inside(inside: Any) -> str:
    words = [f"{name} [{units}]" if units else name for name, units in inside]
    more = f" and {len(words) - _LISTED} more" if len(words) > _LISTED else ""
    return f"it has {', '.join(words[:_LISTED])}{more}" if words else "it has none"


def _open(path: str | Any, group: str, called: str) -> Any:
    """Open one group as it is: nothing decoded but what are coordinates."""
    with importing():  # also of what xarray opens files with: it would take a broken one for a spoilt file
        import cf_xarray  # noqa: F401  (adds .cf)
        import xarray

        if _of_zarr(path):
            import zarr  # noqa: F401
        else:
            import netCDF4  # noqa: F401
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if _of_zarr(path):
                raw = xarray.open_zarr(local_store(path), group=group or None, decode_cf=False, chunks=None)
            else:
                raw = xarray.open_dataset(
                    path, engine="netcdf4", group=group or None, decode_cf=False, cache=False
                )
            try:
                data = xarray.decode_cf(
                    raw,
                    mask_and_scale=False,
                    decode_times=False,
                    concat_characters=False,
                    decode_coords="all",
                )
                data = data.cf.guess_coord_axis()
            except BaseException:
                raw.close()
                raise
            data.set_close(raw.close)  # a copy, which would leave the file open
            return data
    except _SPOILT as error:
        kind = "Zarr store" if _of_zarr(path) else "NetCDF or HDF5 file"
        raise InputError(f"{called} cannot be read as a {kind}: it is damaged or of another kind.") from error


def _of_zarr(path: str | Any) -> bool:
    return not isinstance(path, str) or is_store(path)


def local_store(path: str | Any) -> Any:
    """Return a store's folder as zarr knows one: a name might be taken for an address ("a::b.zarr")."""
    if not isinstance(path, str):
        return path
    from zarr import storage

    if hasattr(storage, "DirectoryStore"):  # zarr 2
        return storage.DirectoryStore(path)
    return storage.LocalStore(path, read_only=True)


def _groups(path: str | Any, called: str) -> list[str]:
    """Return the groups of a file, "" for its root first."""
    if _of_zarr(path):
        return _store_groups(path, called)
    with importing():
        import netCDF4

    def walk(group: Any, name: str) -> Iterator[str]:
        yield name
        for key, inner in group.groups.items():
            yield from walk(inner, f"{name}/{key}".strip("/"))

    try:
        with netCDF4.Dataset(path) as file:
            return list(walk(file, ""))
    except _SPOILT as error:
        raise InputError(
            f"{called} cannot be read as a NetCDF or HDF5 file: it is damaged or of another kind."
        ) from error


def _store_groups(path: str | Any, called: str) -> list[str]:
    with importing():
        import zarr

    def walk(group: Any, name: str, depth: int) -> Iterator[str]:
        yield name
        for key, inner in group.groups() if depth else ():  # so in zarr 2 and 3
            yield from walk(inner, f"{name}/{key}".strip("/"), depth - 1)

    try:
        return list(walk(zarr.open_group(local_store(path), mode="r"), "", _DEEPEST))
    except _SPOILT as error:
        raise InputError(
            f"{called} cannot be read as a Zarr store: it is damaged or of another kind."
        ) from error
