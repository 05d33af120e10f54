"""A variable of a Zarr store with CF axes, given to the engine's reader as rasters in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.io import MemoryFile

from engine.dates import When
from engine.errors import InputError
from training.schema.dataset import RasterSection

_X = ("x", "lon", "longitude", "projection_x_coordinate", "easting")
_Y = ("y", "lat", "latitude", "projection_y_coordinate", "northing")
UNEVEN = 1e-3  # of a cell: how far coordinates may be off an even spacing


class ZarrVariable:
    """One variable of a Zarr store, opened lazily.

    Args:
        path: the store's folder.
        section: names the variable; crs, nodata, scale and offset count where they are given.
        label: how sentences call it.

    Raises:
        InputError: no such store or variable, axes that are no even grid, no CRS.
    """

    def __init__(self, path: Path, section: RasterSection, label: str) -> None:
        import xarray

        self.section, self.label, self.path = section, label, path
        try:
            self.store = xarray.open_zarr(path, chunks=None)
        except (OSError, KeyError, ValueError) as error:
            raise InputError(f"{label}: {path} cannot be read as a Zarr store ({error}).") from error
        fields = [str(n) for n, v in self.store.data_vars.items() if v.ndim >= 2]
        name = section.variable or (fields[0] if len(fields) == 1 else None)
        if name is None or name not in self.store:
            there = ", ".join(fields[:8]) or "none"
            wrong = f"has no variable {name}" if name else "holds several variables: name one"
            raise InputError(f"{label}: {path} {wrong} (it has {there}).")
        array = self.store[name]
        y, x = self._axis(array, _Y), self._axis(array, _X)
        others = [d for d in array.dims if d not in (y, x)]
        if len(others) > 1:
            raise InputError(f"{label}: {name} of {path} has axes besides time, y and x: {others}.")
        self.array = array.transpose(*others, y, x)
        self.timed = bool(others)
        self.transform = self._transform(array[x].values, array[y].values)
        self.crs = self._crs(array)
        self.units = section.file_units or str(array.attrs.get("units", ""))
        self.dates = self._dates(str(others[0])) if others else [None]

    def _axis(self, array: Any, names: Sequence[str]) -> str:
        for dim in array.dims:
            known = {str(dim).lower(), str(array.coords[dim].attrs.get("standard_name", ""))} - {""}
            if dim in array.coords and known & set(names):
                return str(dim)
        raise InputError(
            f"{self.label}: {array.name} of {self.path} has no axis called {' or '.join(names)}."
        )

    def _transform(self, x: np.ndarray, y: np.ndarray) -> Affine:
        steps = []
        for values in (np.asarray(x, np.float64), np.asarray(y, np.float64)):
            if values.size < 2:
                raise InputError(f"{self.label}: {self.path} has an axis of one cell, of unknown size.")
            step = (values[-1] - values[0]) / (values.size - 1)
            off = np.abs(values - (values[0] + step * np.arange(values.size))).max()
            if step == 0 or off > UNEVEN * abs(step) * max(1, values.size / 100):
                raise InputError(f"{self.label}: the cells of {self.path} are not evenly spaced.")
            steps.append(step)
        return Affine(steps[0], 0, x[0] - steps[0] / 2, 0, steps[1], y[0] - steps[1] / 2)

    def _crs(self, array: Any) -> CRS:
        mapping = array.encoding.get("grid_mapping") or array.attrs.get("grid_mapping") or "spatial_ref"
        held = self.store.variables.get(mapping)
        words = self.section.crs
        if words is None and held is not None:
            words = held.attrs.get("crs_wkt") or held.attrs.get("spatial_ref")
        units = {str(self.store[d].attrs.get("units", "")) for d in array.dims if d in self.store.coords}
        if words is None and any(u.startswith("degrees_n") for u in units):
            words = "EPSG:4326"
        if words is None:
            raise InputError(f"{self.label}: {self.path} says no CRS: give it with the key crs.")
        try:
            return CRS.from_user_input(words)
        except CRSError as error:
            raise InputError(f"{self.label}: the CRS of {self.path} cannot be read: {error}.") from error

    def _dates(self, axis: str) -> list[When | None]:
        if axis not in self.store.coords:
            return [None] * self.array.shape[0]
        read: list[When | None] = []
        for value in self.store[axis].values:
            if hasattr(value, "year"):  # cftime
                read.append(When(value.year, value.month, value.day))
            elif np.issubdtype(type(value), np.datetime64):
                year, month, day = (int(n) for n in str(value.astype("datetime64[D]")).split("-"))
                read.append(When(year, month, day))
            else:
                read.append(None)
        return read

    @contextmanager
    def file(self, bands: Sequence[int]) -> Iterator[str]:
        """Hold some times (1-based) as bands of a raster in memory; yields its path."""
        values = self.array[[b - 1 for b in bands]].values if self.timed else self.array.values[None]
        values = values.astype(np.float64 if values.dtype.itemsize > 4 else np.float32)
        section = self.section
        if section.nodata is not None:
            values[values == section.nodata] = np.nan
        if section.scale is not None or section.offset is not None:
            values = values * (section.scale or 1.0) + (section.offset or 0.0)
        count, height, width = values.shape
        with rasterio.Env(GDAL_PAM_ENABLED="NO"), MemoryFile() as memory:
            with memory.open(
                driver="GTiff",
                width=width,
                height=height,
                count=count,
                dtype=values.dtype.name,
                crs=self.crs,
                transform=self.transform,
                nodata=np.nan,
            ) as raster:
                raster.write(values)
            yield memory.name
