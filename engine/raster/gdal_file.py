"""A raster that GDAL reads: GeoTIFF, GRIB, VRT and all that has no CF axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rasterio.errors
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.windows import Window

from engine import band_dates
from engine.errors import InputError
from engine.files.file_facts import Facts
from engine.raster.checks.declared_size import check_file
from engine.raster.checks.georeference_check import placed
from engine.raster.checks.own_results import doubts_of_own_result
from engine.raster.cloud.server_facts import facts_by_name
from engine.raster.cloud.told_address import told
from engine.raster.gdal.file_references import is_remote
from engine.raster.gdal.gdal_environment import environment, open_by_gdal
from engine.raster.gdal_reasons import DAMAGED, gdal_reason
from engine.raster.georeference import given_crs
from engine.raster.missing_cells import MissingCells
from engine.raster.packing import Packing, packing
from engine.raster.raster_file import FileBand, RasterFile, go_on
from engine.raster.reference import RasterRef
from engine.raster.sampling import CELLS, sample_windows
from engine.units import is_kelvin

_SAMPLE = 512  # cells along each axis that a suspicious number is compared to
_LISTED = 12  # variables that a sentence lists
_GRIB = ("GRIB_ELEMENT", "GRIB_SHORT_NAME", "GRIB_COMMENT")


class GdalFile(RasterFile):
    """A raster opened by GDAL.

    Args:
        path: of a file, or GDAL's name for one.
        variable: of a GRIB file: its element, such as TMP; None: all bands.
        ref: as the user names it, and what is said of it there; its CRS counts where the file says none.
        label: how sentences call it.
        check: see `RasterFile`.

    Raises:
        InputError: it cannot be opened, or has no band, variable, CRS or usable georeference.
    """

    def __init__(
        self, path: str, variable: str | None, ref: RasterRef, label: str, check: Callable[[], None] = go_on
    ) -> None:
        self.label, self.notes, self._name = label, [], ref.path
        self._ref, self.check = ref, check
        self._environment = partial(environment, path, ref.plain)  # of each thread that reads
        try:
            self._file = open_by_gdal(path, label, ref.plain)
        except rasterio.errors.RasterioIOError as error:
            cause = None if ref.secret else error  # its words hold the address
            raise InputError(f"{label}: {ref.path}: {gdal_reason(error, path)}.") from cause
        except UnicodeError as error:
            raise InputError(f"{label}: {ref.path} holds text that is none: {DAMAGED}.") from error
        file = self._file
        if file.count == 0:
            names = ", ".join(s.split(":")[-1] for s in file.subdatasets[:8])
            choose = (
                f"choose one of its variables, such as {told((file.subdatasets or [''])[0])} (it has {names})"
            )
            raise InputError(f"{label}: {ref.path} has no band: {choose if names else 'check the file'}.")
        check_file(file, f"{label}: {ref.path}")
        tags = [file.tags(i) for i in file.indexes]
        if variable is None and ref.band is None:
            self._check_one(tags)
        self._indices = self._chosen(tags, variable)
        self.georeference = placed(file, lambda: self._crs(ref), f"{label}: {ref.path}")
        self._tags = [tags[i - 1] for i in self._indices]
        names_of = [file.descriptions[i - 1] for i in self._indices]
        dates = band_dates.of_bands(names_of, self._tags, file.tags())
        self.bands = [
            FileBand(self._units(i, band), when, _further(band))
            for i, band, when in zip(self._indices, self._tags, dates, strict=True)
        ]
        self.variable = variable or self._tags[0].get("NETCDF_VARNAME", "") or self._tags[0].get(_GRIB[0], "")
        self.attributes = {key: value for key, value in self._tags[0].items() if key.islower()} | {
            key: value for key, value in self._tags[0].items() if key.startswith("GRIB_")
        }
        self._missing: dict[int, MissingCells] = {}
        self._packings: dict[int, Packing] = {}
        first = self._packing_of(1)
        self.notes += [first.note] if first.note else []
        self.doubts = [*([first.doubt] if first.doubt else []), *doubts_of_own_result(file.tags())]
        self.bare_numbers = np.dtype(_numpy_type(file.dtypes[0])).kind in "iu" and not first.stated
        self.names_numbers = ColorInterp.palette in file.colorinterp
        masks = {flag for flags in file.mask_flag_enums for flag in flags}
        self._has_mask = not masks <= {MaskFlags.all_valid, MaskFlags.nodata}  # an alpha or mask band
        if any(np.dtype(kind).kind == "c" for kind in map(_numpy_type, file.dtypes)):
            raise InputError(
                f"{label}: {ref.path} holds complex numbers: write the part that is meant first."
            )

    def _check_one(self, tags: Sequence[Mapping[str, str]]) -> None:
        """Refuse a file of several GRIB elements of which none is chosen."""
        held = {band["GRIB_ELEMENT"]: band.get("GRIB_UNIT", "") for band in tags if "GRIB_ELEMENT" in band}
        if len(held) > 1:
            self._file.close()
            listed = ", ".join(f"{name} {unit}".strip() for name, unit in list(held.items())[:_LISTED])
            more = f" and {len(held) - _LISTED} more" if len(held) > _LISTED else ""
            raise InputError(
                f"{self.label}: {self._name} has several variables: choose one, as {Path(self._name).name}:"
                f"{next(iter(held))}, or a band, as #1 (it has {listed}{more})."
            )

    def _chosen(self, tags: Sequence[Mapping[str, str]], variable: str | None) -> list[int]:
        """Return the bands of a variable; all of them where none is asked for."""
        if variable is None:
            return list(self._file.indexes)
        indices = [i for i, band in enumerate(tags, 1) if variable in [band.get(key) for key in _GRIB]]
        if not indices:
            there = ", ".join(dict.fromkeys(band.get(_GRIB[0], "") for band in tags if band.get(_GRIB[0])))
            raise InputError(
                f"{self.label}: {self._name} has no variable {variable} (it has {there or 'no names'})."
            )
        return indices

    def _crs(self, ref: RasterRef) -> CRS:
        if self._file.crs:
            return self._file.crs
        if ref.crs:
            return given_crs(ref.crs, ref.path)
        tags = self._file.tags()
        axes = {v.split("_")[-1][0] for k, v in tags.items() if v.startswith("degree") and "#" in k}
        if {"n", "e"} <= axes:
            self.notes.append("its axes are in degrees and name no CRS: read as EPSG:4326")
            return CRS.from_epsg(4326)
        raise InputError(
            f"{self.label}: {ref.path} has no CRS: assign one, for instance with gdal_edit.py -a_srs."
        )

    def _units(self, index: int, band: Mapping[str, str]) -> str:
        if self._ref.units is not None:
            return self._ref.units
        named = self._file.units[index - 1] or band.get("units") or band.get("UNITS") or band.get("GRIB_UNIT")
        return (named or self._file.tags().get("UNITS") or "").strip()

    def read(self, bands: Sequence[int], window: Window, labels: bool = False) -> NDArray[Any]:
        """See `RasterFile.read`."""
        raw = self._raw(bands, window, self._has_mask)
        data, whole = np.ma.getdata(raw), raw.dtype.kind in "iu"
        wide = raw.dtype.itemsize > (2 if whole else 4)  # more digits than float32 has
        values = data.astype(np.float64 if wide else np.float32, copy=False)
        for i, band in enumerate(bands):
            holes = self._missing_of(band).holes(data[i], labels)
            if self._has_mask:
                mask = np.ma.getmaskarray(raw)[i]
                holes = mask if holes is None else holes | mask
            self._packing_of(band).unpack(values[i], holes)
        return values

    def _raw(self, bands: Sequence[int], window: Window | None, masked: bool, **how: Any) -> NDArray[Any]:
        indices = [self._indices[band - 1] for band in bands]
        try:
            with self._environment():
                return self._file.read(indices, window=window, masked=masked, **how)
        except rasterio.errors.RasterioIOError as error:
            why = gdal_reason(error, self._name)
            cause = None if self._ref.secret else error
            raise InputError(f"{self.label}: {self._name} cannot be read: {why}.") from cause

    def _packing_of(self, band: int) -> Packing:
        if band not in self._packings:
            index = self._indices[band - 1] - 1
            own = (self._file.scales[index], self._file.offsets[index])
            kind = _numpy_type(self._file.dtypes[index])
            self._packings[band] = packing(*own, self._ref, kind, lambda: self._sampled(band))
        return self._packings[band]

    def _sampled(self, band: int) -> NDArray[Any]:
        """Return cells of a band, in the file's numbers."""
        self.check()
        rows, columns = (min(_SAMPLE, n) for n in self._file.shape)
        overviews = self._file.overviews(self._indices[band - 1])
        if self._file.width * self._file.height <= CELLS or overviews:
            return self._raw([band], None, False, out_shape=(1, rows, columns))
        windows = sample_windows(self._file.height, self._file.width, self.block)
        pieces = []
        for window in windows:
            self.check()
            pieces.append(self._raw([band], window, False).ravel())
        return np.concatenate(pieces)

    def _missing_of(self, band: int) -> MissingCells:
        if band not in self._missing:
            nodata = self._file.nodatavals[self._indices[band - 1] - 1]
            named = [n for n in (nodata, self._ref.nodata) if n is not None]
            own = self._packing_of(band)
            kelvin = is_kelvin(self.bands[band - 1].units) and (own.scale, own.offset) == (1.0, 0.0)
            self._missing[band] = MissingCells(named, (None, None), lambda: self._sampled(band), kelvin)
        return self._missing[band]

    @property
    def unnamed_missing(self) -> list[float]:
        """See `RasterFile.unnamed_missing`."""
        return sorted({number for missing in self._missing.values() for number in missing.unnamed})

    @property
    def block(self) -> tuple[int, int]:
        """See `RasterFile.block`."""
        return self._file.block_shapes[self._indices[0] - 1]

    @property
    def elsewhere(self) -> bool:
        """See `RasterFile.elsewhere`."""
        return is_remote(self._ref.address)

    def server_facts(self) -> Facts | None:
        """See `RasterFile.server_facts`."""
        return facts_by_name(self._ref.address, self._file.files) if self.elsewhere else None

    @property
    def files(self) -> tuple[str, ...]:
        """See `RasterFile.files`."""
        return tuple(told(name) for name in self._file.files)

    def close(self) -> None:
        """Close it."""
        self._file.close()


def _further(band: Mapping[str, str]) -> dict[str, str]:
    """Return a band's coordinates besides time, y and x."""
    further = {
        key.removeprefix("NETCDF_DIM_"): value
        for key, value in band.items()
        if key.startswith("NETCDF_DIM_") and "time" not in key.lower()
    }
    if element := band.get("GRIB_ELEMENT"):
        further["variable"] = element
    if level := band.get("GRIB_SHORT_NAME"):
        further["level"] = level
    return further


def _numpy_type(name: str) -> str:
    return {"complex_int16": "complex64", "complex_int32": "complex64"}.get(name, name)
