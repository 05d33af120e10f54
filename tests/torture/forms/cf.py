"""NetCDF, HDF5 and Zarr with CF metadata, in the ways that centres and libraries write them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import cftime
import netCDF4
import numpy as np
from pyproj import CRS

from tests.torture.forms.form import Form, Written
from tests.torture.world import World

# Names in files, by quantity.
VARIABLES = {
    "rain": ("tp", "pr", "precip"),
    "temperature": ("t2m", "tas", "tmp"),
    "elevation": ("orog", "z", "height_of_ground"),
    "climatology": ("clim", "pr_clim", "ppt"),
}
_CALENDARS = (
    "standard",
    "gregorian",
    "proleptic_gregorian",
    "noleap",
    "365_day",
    "all_leap",
    "360_day",
    "julian",
)


@dataclass(frozen=True)
class Axes:
    """A field's values and axes, in the order in which a file is to hold them."""

    dims: tuple[str, ...]
    values: np.ndarray
    x: np.ndarray
    y: np.ndarray


def axes_of(
    world: World, rng: np.random.Generator, names: tuple[str, str, str], timed: bool
) -> tuple[Axes, str]:
    """Turn a field's axes about: order of dimensions, of rows, and where longitudes begin."""
    rows, cols = world.shape
    x = world.left + world.step * (np.arange(cols) + 0.5)
    y = world.top - world.step * (np.arange(rows) + 0.5)
    values, told = world.values, []
    if rng.random() < 0.5:
        values, y = values[:, ::-1], y[::-1]
        told.append("rows from the south")
    if world.geographic and rng.random() < 0.5:
        x = x % 360
        if world.world_wide or not np.any(np.diff(x) < 0):
            order = np.argsort(x)
            values, x = values[:, :, order], x[order]
            told.append("longitudes 0 to 360")
        else:  # a window across the seam is written as it lies
            x = world.left + world.step * (np.arange(cols) + 0.5)
    if not timed:
        values = values[0]
    dims = names if timed else names[1:]
    if rng.random() < 0.35:
        order = rng.permutation(len(dims))
        values, dims = values.transpose(order), tuple(dims[i] for i in order)
        told.append("dimensions " + ", ".join(dims))
    return Axes(dims, values, x, y), ", ".join(told)


def times_of(world: World, rng: np.random.Generator) -> tuple[np.ndarray, str, str, str]:
    """Return the numbers, units and calendar of a time axis, and how the dates are meant."""
    calendar = str(rng.choice(_CALENDARS))
    unit = str(rng.choice(["days", "hours", "minutes", "seconds", "days", "hours"]))
    stamp = str(rng.choice(["first", "middle"]))
    since = str(
        rng.choice(["1900-01-01", "1970-01-01 00:00:00", "1850-01-01T00:00:00Z", "1990-1-1 12:00:0.0"])
    )
    days = []
    for date in world.dates:
        parts = [int(p) for p in date.split("-")]
        day = parts[2] if len(parts) > 2 else 1 if stamp == "first" else 15
        hour = 12 if len(parts) == 2 and stamp == "middle" else 0
        days.append(cftime.datetime(parts[0], parts[1], day, hour, calendar=calendar))
    units = f"{unit} since {since}"
    return np.asarray(cftime.date2num(days, units, calendar)), units, calendar, stamp


def _netcdf(world: World, folder: Path, rng: np.random.Generator) -> Written:
    kind = str(rng.choice(["NETCDF4", "NETCDF4_CLASSIC", "NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET"]))
    ending = (
        ".h5"
        if kind == "NETCDF4" and rng.random() < 0.15
        else str(rng.choice([".nc", ".nc", ".nc4", ".cdf"]))
    )
    variable = str(rng.choice(VARIABLES[world.quantity]))
    timed = bool(world.dates)
    geographic = world.geographic
    y_name, x_name = ("lat", "lon") if rng.random() < 0.5 else ("latitude", "longitude")
    if not geographic:
        y_name, x_name = ("y", "x") if rng.random() < 0.5 else ("northing", "easting")
    time_name = str(rng.choice(["time", "time", "valid_time", "t"]))
    axes, told = axes_of(world, rng, (time_name, y_name, x_name), timed)
    path = folder / f"field{ending}"
    words = [f"{kind} {ending}", told]
    with netCDF4.Dataset(path, "w", format=kind) as file:
        file.Conventions = str(rng.choice(["CF-1.6", "CF-1.8", "COARDS"]))
        _axis(file, rng, y_name, axes.y, "latitude" if geographic else "projection_y_coordinate")
        _axis(file, rng, x_name, axes.x, "longitude" if geographic else "projection_x_coordinate")
        if timed:
            free = kind.startswith("NETCDF4") or axes.dims[0] == time_name
            words.append(_time_axis(file, world, rng, time_name, free and rng.random() < 0.5))
        words.append(_data(file, world, rng, variable, axes, kind))
        if not geographic or rng.random() < 0.3:
            mapping = file.createVariable("crs", "i4", ())
            mapping.setncatts({k: v for k, v in CRS(world.crs).to_cf().items() if v is not None})
            file.variables[variable].grid_mapping = "crs"
            words.append("grid mapping")
        several = rng.random() < 0.2
        if several:  # another field beside it, so the variable must be named
            other = file.createVariable("quality", "f4", axes.dims)
            other[:] = np.ones(axes.values.shape)
            words.append("another variable")
    name = f"{path}:{variable}" if several and rng.random() < 0.5 else f'NETCDF:"{path}":{variable}'
    if not several and rng.random() < 0.6:
        name = str(path)
    return Written(name, ", ".join(w for w in words if w), variable=variable, files=str(path), rough=True)


def _axis(
    file: netCDF4.Dataset, rng: np.random.Generator, name: str, values: np.ndarray, meaning: str
) -> None:
    file.createDimension(name, len(values))
    axis = file.createVariable(name, str(rng.choice(["f8", "f8", "f4"])), (name,))
    axis[:] = values
    degrees = {"latitude": "degrees_north", "longitude": "degrees_east"}.get(meaning, "m")
    axis.units = degrees
    if meaning not in ("latitude", "longitude") or rng.random() < 0.7:
        axis.standard_name = meaning
    if rng.random() < 0.5:
        axis.axis = "X" if "long" in meaning or "_x_" in meaning else "Y"


def _time_axis(
    file: netCDF4.Dataset, world: World, rng: np.random.Generator, name: str, unlimited: bool
) -> str:
    numbers, units, calendar, stamp = times_of(world, rng)
    file.createDimension(name, None if unlimited else len(numbers))
    whole = bool(np.all(numbers == np.round(numbers)))
    axis = file.createVariable(name, "f8" if not whole or rng.random() < 0.6 else "i4", (name,))
    if axis.dtype == np.int32 and np.abs(numbers).max() >= 2**31:  # seconds since long ago
        when, units = cftime.num2date(numbers, units, calendar), f"days since {units.partition(' since ')[2]}"
        numbers = cftime.date2num(when, units, calendar)
    axis[:] = numbers
    axis.units, axis.calendar, axis.standard_name = units, calendar, "time"
    if rng.random() < 0.3:
        file.createDimension("nv", 2) if "nv" not in file.dimensions else None
        bounds = file.createVariable(f"{name}_bnds", "f8", (name, "nv"))
        starts = [cftime.datetime(int(d[:4]), int(d[5:7]), 1, calendar=calendar) for d in world.dates]
        ends = [
            cftime.datetime(s.year + s.month // 12, s.month % 12 + 1, 1, calendar=calendar) for s in starts
        ]
        bounds[:] = np.stack([cftime.date2num(v, units, calendar) for v in (starts, ends)], axis=1)
        axis.bounds = f"{name}_bnds"
        stamp += ", with bounds"
    return f"{units}, {calendar}, {stamp}"


def _data(
    file: netCDF4.Dataset, world: World, rng: np.random.Generator, name: str, axes: Axes, kind: str
) -> str:
    packing = str(rng.choice(["float", "float", "double", "short", "int"]))
    if packing == "short" and np.nanmax(np.abs(world.values)) > 3000:
        packing = "int"
    fill_value: float | int | None
    if packing in ("float", "double"):
        dtype, scale, offset = ("f4" if packing == "float" else "f8"), 1.0, 0.0
        fill_value = float(rng.choice([-9999.0, 1e20, 9.969209968386869e36, -32767.0]))
    else:
        dtype, scale = ("i2" if packing == "short" else "i4"), 0.1
        offset = float(np.floor(np.nanmin(world.values))) if rng.random() < 0.5 else 0.0
        fill_value = -32767 if packing == "short" else -2147483647
    fills = str(rng.choice(["_FillValue", "missing_value", "both"]))
    variable = file.createVariable(
        name, dtype, axes.dims, fill_value=fill_value if fills != "missing_value" else None,
        **({"zlib": True} if kind.startswith("NETCDF4") and rng.random() < 0.5 else {}),
    )  # fmt: skip
    variable.set_auto_maskandscale(False)
    if fills != "_FillValue":
        variable.missing_value = np.dtype(dtype).type(fill_value)
    if scale != 1.0:
        variable.scale_factor, variable.add_offset = scale, offset
    numbers = (axes.values - offset) / scale
    numbers = np.round(numbers) if scale != 1.0 else numbers
    variable[:] = np.where(np.isnan(numbers), fill_value, numbers).astype(dtype)
    variable.units = world.units
    variable.long_name = f"{world.quantity} of a torture"
    return f"{packing}, {fills} {fill_value:g}"


def _zarr(world: World, folder: Path, rng: np.random.Generator) -> Written:
    import xarray

    variable = str(rng.choice(VARIABLES[world.quantity]))
    names = ("time", "lat", "lon") if world.geographic else ("time", "y", "x")
    axes, told = axes_of(world, rng, names, bool(world.dates))
    meanings = (
        ("latitude", "longitude")
        if world.geographic
        else ("projection_y_coordinate", "projection_x_coordinate")
    )
    degrees = ("degrees_north", "degrees_east") if world.geographic else ("m", "m")
    coordinates = {
        names[1]: (names[1], axes.y, {"standard_name": meanings[0], "units": degrees[0]}),
        names[2]: (names[2], axes.x, {"standard_name": meanings[1], "units": degrees[1]}),
    }
    if world.dates:
        stamps = [dt.datetime(*[int(p) for p in f"{d}-01".split("-")[:3]]) for d in world.dates]
        coordinates["time"] = ("time", np.array(stamps, "datetime64[ns]"), {"standard_name": "time"})
    attributes = {"units": world.units}
    data = {variable: (axes.dims, axes.values.astype(np.float32), attributes)}
    if not world.geographic:
        data["crs"] = ((), 0, {k: v for k, v in CRS(world.crs).to_cf().items() if v is not None})
        attributes["grid_mapping"] = "crs"
    version = int(rng.choice([2, 3]))
    path = folder / "field.zarr"
    encoding = {}
    if rng.random() < 0.4 and np.nanmax(np.abs(world.values)) < 3000:
        encoding[variable] = {"dtype": "int16", "scale_factor": 0.1, "add_offset": 0.0, "_FillValue": -32768}
    xarray.Dataset(data, coordinates).to_zarr(
        path, zarr_format=version, consolidated=version == 2, encoding=encoding
    )
    packed = ", packed" if encoding else ""
    return Written(
        str(path), f"Zarr {version}{packed}, {told}", variable=variable, files=str(path), rough=True
    )


FORMS = (Form("NetCDF", _netcdf, weight=8), Form("Zarr", _zarr, weight=4))
