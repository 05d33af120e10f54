"""A variable of NetCDF, HDF5 or Zarr, read by its CF metadata (xarray, cf_xarray, pyproj, cftime)."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from engine import time_axis
from engine.dates import When
from engine.errors import InputError
from engine.raster.cf.axes import horizontal
from engine.raster.cf.kept_chunks import KEPT, LARGE, assembled
from engine.raster.cf.store_contents import check_store, is_store
from engine.raster.cf.variables import LIBRARY, open_field
from engine.raster.checks.declared_size import check_block, check_held
from engine.raster.checks.own_results import doubts_of_own_result
from engine.raster.hdf5.outside import check_within
from engine.raster.missing_cells import MissingCells
from engine.raster.packing import packing
from engine.raster.raster_file import FileBand, RasterFile, go_on
from engine.raster.reference import RasterRef
from engine.raster.sampling import CELLS, sample_windows
from engine.units import is_kelvin

_SAMPLE = 512  # cells along each axis that a suspicious number is compared to
_PROVENANCE = ("frequency", "source", "title", "case", "history")
_AS_NUMBERS = ("convert it first", "open it without decoding durations (decode_timedelta=False)")
_LINES = 2**18  # cells of the lines read at once where a file has no chunks


class CfFile(RasterFile):
    """One variable of a file or store with CF axes.

    Args:
        path: of the file, or of the store's folder.
        variable: its name, with its groups (Grid/precipitation); None: the only one.
        ref: as the user names it, and what is said of it there; its CRS counts where the file says none.
        label: how sentences call it.
        check: see `RasterFile`.

    Raises:
        InputError: no such variable, several to choose from, axes that are no even grid, no CRS.
        NoAxesError: the variable has no axes of one dimension that CF knows.
    """

    def __init__(
        self, path: str, variable: str | None, ref: RasterRef, label: str, check: Callable[[], None] = go_on
    ) -> None:
        self.label, self._name, self._ref, self.check = label, ref.path, ref, check
        self._chunks_owner = object()
        # From the root: the libraries take some relative names for addresses ("a::b.nc", "http:/…").
        path = self._path = os.path.abspath(path)
        within = check_store if is_store(path) else check_within
        within(path, f"{label}: {ref.path}")
        with LIBRARY:
            self._data, name = open_field(path, variable, f"{label}: {ref.path}")
            try:
                self._open(name, ref)
            except BaseException:
                self.close()
                raise

    def _open(self, name: str, ref: RasterRef) -> None:
        called = f"{self.label}: {self._name}"
        array = self._data[name]
        if empty := [str(dim) for dim, size in array.sizes.items() if not size]:
            raise InputError(f"{called} holds nothing: its dimension {empty[0]} has the length 0.")
        place = horizontal(self._data, name, ref.crs, called)
        self.georeference, self.notes = place.georeference, list(place.notes)
        if array.dtype.kind == "c" or array.dtype.names:
            raise InputError(f"{called} holds complex numbers: write the part that is meant first.")
        if array.dtype.kind not in "biuf":
            raise InputError(
                f"{called} holds no numbers ({array.dtype}): {_AS_NUMBERS[array.dtype.kind == 'm']}."
            )
        self._others = [d for d in array.dims if d not in (place.y, place.x)]
        self._array = array.transpose(*self._others, place.y, place.x)
        self.variable, self.attributes = name, {k: str(v) for k, v in array.attrs.items()}
        remedy = "nccopy -c (or ncks --cnk_dmn) IN OUT"
        size = self._array.dtype.itemsize
        check_block(list(self._chunk().values()), size, called, remedy)
        if os.path.isfile(self._path):
            check_held(array.size * size, os.path.getsize(self._path), called)
        units = self._ref.units
        units = self.attributes.get("units", "").strip() if units is None else units
        shape = self._array.shape[:-2]
        self._shape = shape
        dates = self._dates(array)
        indices = list(np.ndindex(*shape)) if shape else [()]
        self.bands = [FileBand(units, dates[i], self._further(index)) for i, index in enumerate(indices)]
        own = _number(array.attrs.get("scale_factor"), 1.0), _number(array.attrs.get("add_offset"), 0.0)
        self._packing = packing(*own, self._ref, array.dtype, self._sample)
        self.notes += [self._packing.note] if self._packing.note else []
        self.doubts = [self._packing.doubt] if self._packing.doubt else []
        self.doubts += doubts_of_own_result(self._data.attrs)
        self.names_numbers = {"flag_values", "flag_meanings"} & set(self.attributes) != set()
        self.bare_numbers = array.dtype.kind in "iu" and not self._packing.stated
        self._missing = MissingCells(self._fills(), self._valid(), self._sample, self._kelvin(units))

    def _kelvin(self, text: str) -> bool:
        return is_kelvin(text) and (self._packing.scale, self._packing.offset) == (1.0, 0.0)

    def _dates(self, array: Any) -> list[When | None]:
        """Return the date of each band."""
        count = int(np.prod(self._shape)) if self._shape else 1
        axis = self._time(array)
        if axis is None:
            return [None] * count
        times = self._data[axis]
        attributes = times.attrs
        kept = {**times.encoding, **attributes}  # xarray moves what it has understood
        bounds = kept.get("bounds") or kept.get("climatology")
        bounds = self._data[bounds].values if bounds in self._data.variables else None
        flat = np.asarray(times.values).reshape(-1)
        told = {key: str(self._data.attrs.get(key, "")) for key in _PROVENANCE}
        decoded = time_axis.decode(
            flat,
            str(attributes.get("units", "")),
            str(attributes.get("calendar", "")),
            None if bounds is None else np.asarray(bounds).reshape(flat.size, -1),
            str(array.attrs.get("cell_methods", "")),
            told.pop("frequency"),
            "\n".join(told.values()),
        )
        dates, self.step = decoded.dates, decoded.step
        # From the time's own dimensions to all of the bands'.
        sizes = [self._array.sizes[d] if d in times.dims else 1 for d in self._others]
        order = [d for d in self._others if d in times.dims]
        numbers = np.arange(flat.size).reshape(times.shape)
        numbers = np.transpose(numbers, [times.dims.index(d) for d in order]).reshape(sizes or (1,))
        spread = np.broadcast_to(numbers, self._shape or (1,)).reshape(-1)
        return [dates[i] for i in spread]

    def _time(self, array: Any) -> str | None:
        """Return the variable that dates the bands: valid times before reference times."""
        known = [*self._data.cf.axes.get("T", []), *self._data.cf.coordinates.get("time", [])]
        known += [str(n) for n in self._data.variables if str(n) in ("valid_time", "time")]
        known += [d for d in self._others if " since " in self._units_of(d) or "%Y" in self._units_of(d)]
        usable = [
            n
            for n in dict.fromkeys(known)
            if self._data[n].dtype.kind in "iuf" and set(self._data[n].dims) <= set(self._others)
        ]
        usable = [n for n in usable if self._units_of(n) or self._data[n].ndim]
        first = [n for n in usable if n == "valid_time"] or [n for n in usable if self._data[n].ndim]
        return (first or usable or [None])[0]

    def _units_of(self, name: Any) -> str:
        return str(self._data[name].attrs.get("units", "")) if name in self._data.variables else ""

    def _further(self, index: Sequence[int]) -> dict[str, str]:
        """Return a band's coordinates besides time."""
        further = {}
        for dim, i in zip(self._others, index, strict=True):
            if self._array.sizes[dim] == 1 or " since " in self._units_of(dim) or "time" in str(dim).lower():
                continue
            held = self._data[dim] if dim in self._data.variables else None
            value = held.values[i] if held is not None and held.ndim == 1 else i + 1
            further[str(dim)] = f"{value:g}" if isinstance(value, (float, np.floating)) else str(value)
        return further

    def _fills(self) -> list[float]:
        """Return every number that the file, or the user, calls missing."""
        fills: list[float] = [] if self._ref.nodata is None else [self._ref.nodata]
        for key in (
            "_FillValue",
            "missing_value",
            "FillValue",
            "_fillvalue",
            "fill_value",
            "CodeMissingValue",
        ):
            value = self._array.attrs.get(key)
            if value is None and key != "fill_value":  # there Zarr keeps what unwritten chunks hold: often 0
                value = self._array.encoding.get(key)
            for one in np.ravel(np.asarray(value)) if value is not None else ():
                try:
                    fills.append(float(one))
                except (TypeError, ValueError):
                    continue
        if self._array.dtype.kind == "u":  # a signed fill value of bytes that are read unsigned
            bits = 8 * self._array.dtype.itemsize
            fills += [fill + 2.0**bits for fill in fills if fill < 0]
        return fills

    def _valid(self) -> tuple[float | None, float | None]:
        """Return the valid range in the file's numbers; one that is in units of its own is converted."""
        attributes = self._array.attrs
        written = attributes.get("valid_range")
        pair = list(np.ravel(written)) if written is not None and np.size(written) == 2 else [None, None]
        limits = []
        for value, key in zip(pair, ("valid_min", "valid_max"), strict=True):
            limit = attributes.get(key) if value is None else value
            try:
                number = None if limit is None else float(limit)
            except (TypeError, ValueError):
                number = None
            packed = self._array.dtype.kind in "iu" and "scale_factor" in attributes
            unpacked = packed and np.asarray(limit).dtype.kind == "f"
            limits.append(
                (number - self._packing.offset) / self._packing.scale
                if unpacked and number is not None
                else number
            )
        return limits[0], limits[1]

    def _sample(self) -> NDArray[Any]:
        self.check()
        rows, columns = self._array.shape[-2:]
        first = {d: 0 for d in self._others}
        y, x = self._array.dims[-2:]
        if rows * columns > CELLS:
            pieces = []
            for down, across in (w.toranges() for w in sample_windows(rows, columns, self.block)):
                self.check()
                pieces.append(self._cells({**first, y: slice(*down), x: slice(*across)}).ravel())
            return np.concatenate(pieces)
        steps = (max(1, -(-n // _SAMPLE)) for n in (rows, columns))
        every = {dim: slice(None, None, step) for dim, step in zip((y, x), steps, strict=True)}
        return self._native(self._array.isel({**first, **every}))

    def _native(self, part: Any) -> NDArray[Any]:
        try:
            with LIBRARY:
                values = np.asarray(self._loaded(part))
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise InputError(
                f"{self.label}: {self._name} cannot be read: it is damaged or not whole."
            ) from error
        values = values.astype(values.dtype.newbyteorder("="), copy=False)
        if str(self._array.attrs.get("_Unsigned", "")).lower() == "true" and values.dtype.kind == "i":
            values = values.view(f"u{values.dtype.itemsize}")
        return values

    def _loaded(self, part: Any) -> Any:
        """Return the values of a part of the variable."""
        return part.values

    def _cells(self, part: Mapping[Any, Any]) -> NDArray[Any]:
        """Return what stands at an index or slice of each dimension, in the file's numbers."""
        chunk, dims = self._chunk(), self._array.dims
        sizes = [chunk.get(dim, 0) for dim in dims]
        held = math.prod(sizes) * self._array.dtype.itemsize
        each = [part[dim] for dim in dims]
        ranges = [(p.start, p.stop) if isinstance(p, slice) else (p, p + 1) for p in each]
        if held < LARGE or any(start >= stop for start, stop in ranges):
            return self._native(self._array.isel(part))

        def unpacked(place: tuple[int, ...]) -> NDArray[Any]:
            starts = [n * size for n, size in zip(place, sizes, strict=True)]
            cells = {dim: slice(a, a + n) for dim, a, n in zip(dims, starts, sizes, strict=True)}
            return self._native(self._array.isel(cells))

        def chunk_at(place: tuple[int, ...]) -> NDArray[Any]:
            self.check()
            with LIBRARY:
                return KEPT.get(self._chunks_owner, place, held, lambda: unpacked(place))

        return assembled(ranges, sizes, chunk_at)

    def read(self, bands: Sequence[int], window: Window, labels: bool = False) -> NDArray[Any]:
        """See `RasterFile.read`."""
        y, x = self._array.dims[-2:]
        rows = slice(int(window.row_off), int(window.row_off + window.height))
        columns = slice(int(window.col_off), int(window.col_off + window.width))
        shape = (len(bands), rows.stop - rows.start, columns.stop - columns.start)
        wide = self._array.dtype.itemsize > (2 if self._array.dtype.kind in "iu" else 4)
        values = np.empty(shape, np.float64 if wide else np.float32)
        at = 0
        for run in self._runs(bands):
            raw = self._cells({**run, y: rows, x: columns}).reshape(-1, *shape[1:])
            for field in raw:
                holes = self._missing.holes(field, labels)
                values[at] = field
                self._packing.unpack(values[at], holes)
                at += 1
        return values

    def _runs(self, bands: Sequence[int]) -> Iterator[dict[Any, Any]]:
        """Return what to take along the leading dimensions: one slice of times in a row, or band by band."""
        in_a_row = list(bands) == list(range(bands[0], bands[0] + len(bands)))
        if len(self._shape) == 1 and in_a_row:
            yield {self._others[0]: slice(bands[0] - 1, bands[0] - 1 + len(bands))}
            return
        for band in bands:
            index = np.unravel_index(band - 1, self._shape) if self._shape else ()
            yield {dim: int(i) for dim, i in zip(self._others, index, strict=True)}

    @property
    def unnamed_missing(self) -> list[float]:
        """See `RasterFile.unnamed_missing`."""
        return sorted(self._missing.unnamed)

    @property
    def block(self) -> tuple[int, int]:
        """See `RasterFile.block`."""
        chunk, (y, x) = self._chunk(), self._array.dims[-2:]
        return chunk.get(y, max(1, _LINES // self._array.sizes[x])), chunk.get(x, self._array.sizes[x])

    def _chunk(self) -> dict[Any, int]:
        """Return the cells of a chunk along each dimension, nothing where the variable has none."""
        held = self._data[self.variable]
        sizes = held.encoding.get("chunksizes") or held.encoding.get("chunks") or ()
        return dict(zip(held.dims, (int(n) for n in sizes), strict=False))

    @property
    def files(self) -> tuple[str, ...]:
        """See `RasterFile.files`."""
        path = Path(self._path)
        return (
            (str(path), *(str(p) for p in path.rglob("*") if p.is_file())) if path.is_dir() else (str(path),)
        )

    def close(self) -> None:
        """Close it."""
        with LIBRARY:
            KEPT.forget(self._chunks_owner)
            self._data.close()


def _number(value: Any, default: float) -> float:
    try:
        return float(np.ravel(value)[0]) if value is not None else default
    except (TypeError, ValueError):
        return default
