"""What a raster is: its grid, units, nodata, bands and dates, and how a window of it is read."""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import rasterio
import rasterio.errors
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.crs import CRS
from rasterio.enums import MaskFlags, Resampling
from rasterio.errors import CRSError, NotGeoreferencedWarning
from rasterio.windows import Window

from engine import band_dates, units
from engine.errors import InputError
from engine.raster.footprint import Footprint, footprint, scale
from engine.raster.gdal_reasons import gdal_reason
from engine.raster.georeference import Georeference, crs_wkt
from engine.raster.reference import RasterRef
from engine.source_kinds import KINDS, VALIDITY, SourceKind

READ_LIMIT = 16_000_000  # source cells held at once while a window is warped
_MARGIN = 4  # source cells around a window, for the widest kernel

# rasterio says so of its own arrays in memory while it warps; a file's georeference is checked below.
warnings.filterwarnings("ignore", category=NotGeoreferencedWarning, module=r"rasterio\.warp")


class Raster:
    """One raster file, open for windowed reads onto any grid.

    Reads return float32 in the wanted units, NaN where there is no data: nodata, masked, not a
    number or infinite. A raster that goes round the world is continued across the date line.

    Args:
        ref: path and band.
        label: how sentences call it, e.g. "elevation".
        wanted_units: units to convert to, or "" to keep the file's.

    Raises:
        InputError: the raster cannot be opened, has no such band, CRS or usable georeference, or
            its units cannot be converted.
    """

    def __init__(self, ref: RasterRef, label: str, wanted_units: str = "") -> None:
        self.ref, self.label = ref, label
        self._lock = threading.Lock()
        try:
            self._file = rasterio.open(ref.path)
        except rasterio.errors.RasterioIOError as error:
            raise InputError(f"{label}: {ref.path}: {gdal_reason(error, ref.path)}.") from error
        file = self._file
        if file.count == 0:
            names = ", ".join(s.split(":")[-1] for s in file.subdatasets[:8])
            choose = f"choose one of its variables, such as {file.subdatasets[0]} (it has {names})"
            raise InputError(f"{label}: {ref.path} has no band: {choose if names else 'check the file'}.")
        if ref.band is not None and ref.band > file.count:
            raise InputError(f"{label}: band {ref.band} of {ref.path} does not exist: it has {file.count}.")
        crs = file.crs or _assumed_crs(ref, file.tags())
        if crs is None:
            raise InputError(
                f"{label}: {ref.path} has no CRS: assign one, for instance with gdal_edit.py -a_srs."
            )
        if file.transform.is_identity or file.transform.determinant == 0:
            raise InputError(f"{label}: {ref.path} is not georeferenced: warp or georeference it first.")
        self.georeference = Georeference(crs, file.transform, file.width, file.height)
        self._tags = [file.tags(i) for i in file.indexes]
        self.dates = band_dates.of_bands(file.descriptions, self._tags, file.tags())
        self.units = self._file_units()
        self._convert = units.Conversion()
        if wanted_units and units.known(self.units) and units.known(wanted_units):
            self._convert = units.conversion(self.units, wanted_units, label)
        masks = {flag for flags in file.mask_flag_enums for flag in flags}
        self._has_mask = not masks <= {MaskFlags.all_valid, MaskFlags.nodata}  # an alpha or mask band

    @property
    def count(self) -> int:
        """Number of bands."""
        return self._file.count

    @property
    def crs(self) -> CRS:
        """The raster's CRS."""
        return self.georeference.crs

    @property
    def transform(self) -> Affine:
        """From (column, row) of the file to its CRS."""
        return self.georeference.transform

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.georeference.width

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.georeference.height

    @property
    def upright(self) -> bool:
        """See `Georeference.upright`."""
        return self.georeference.upright

    @property
    def geobox(self) -> GeoBox:
        """See `Georeference.geobox`."""
        return self.georeference.geobox

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files that GDAL reads it from."""
        return tuple(self._file.files)

    def describe(self) -> str:
        """Return the grid in words: size, resolution, CRS."""
        return self.georeference.describe()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def overlaps(self, grid: GeoBox) -> bool:
        """Return whether any of the raster lies under the grid."""
        return bool(footprint(self.georeference, grid, margin=0))

    def resampling(self, grid: GeoBox, kind: str = "continuous", conserve: bool = False) -> Resampling:
        """Choose the resampling that brings the raster to a grid.

        Nearest where the cells are the same; average when going down, and for a field whose
        means must be kept (`conserve`); bilinear when going up; classes become fractions, which
        average or take the nearest.
        """
        if self.georeference.aligned(grid):
            return Resampling.nearest
        if conserve:
            return Resampling.average
        if scale(self.georeference, grid) > 1.05:
            return Resampling.average
        return Resampling.nearest if KINDS[kind].labels else Resampling.bilinear

    def read(
        self,
        grid: GeoBox,
        bands: Sequence[int],
        resampling: Resampling,
        kind: str = "continuous",
        classes: Sequence[int] = (),
    ) -> NDArray[np.float32]:
        """Read bands onto a grid.

        Args:
            grid: rows × columns to fill; may reach beyond the raster.
            bands: 1-based.
            resampling: from `resampling`.
            kind: of `engine.source_kinds`, which encodes values before any averaging.
            classes: of a kind that wants them.

        Returns:
            (channels, rows, columns) float32, NaN where invalid; channels are those of the kind, for
            each band.
        """
        return self._read(grid, bands, resampling, KINDS[kind], classes)

    def _read(
        self,
        grid: GeoBox,
        bands: Sequence[int],
        resampling: Resampling,
        kind: SourceKind,
        classes: Sequence[int],
    ) -> NDArray[np.float32]:
        rows, columns = grid.shape
        channels = len(bands) * len(kind.channels(classes))
        if self.georeference.aligned(grid) and resampling == Resampling.nearest:
            return self._read_aligned(grid, bands, kind, classes)
        prints = footprint(self.georeference, grid, margin=_MARGIN)
        out = np.full((channels, rows, columns), np.nan, np.float32)
        cells = sum(p.width * p.height for p in prints)
        # Near a pole the average of a cell across the date line would take in the whole row.
        too_wide = resampling == Resampling.average and any(p.round_the_world for p in prints)
        if (cells > READ_LIMIT and rows * columns > 1) or (too_wide and rows * columns > 64):
            half_r, half_c = (rows + 1) // 2, (columns + 1) // 2
            for r in (slice(0, half_r), slice(half_r, rows)):
                for c in (slice(0, half_c), slice(half_c, columns)):
                    if r.start < r.stop and c.start < c.stop:
                        out[:, r, c] = self._read(grid[r, c], bands, resampling, kind, classes)
            return out
        for piece in prints:
            warped = self._warp(piece, grid, bands, resampling, kind, classes)
            out = np.where(np.isnan(out), warped, out)
        return out

    def coverage(self, grid: GeoBox, band: int) -> NDArray[np.float32]:
        """Return the share of each of the grid's cells under valid cells of the raster, (rows, columns)."""
        out = np.zeros(grid.shape, np.float32)
        # Empty cells round the file, so that edges count.
        frame = math.ceil(scale(self.georeference, grid)) + _MARGIN
        for piece in footprint(self.georeference, grid, margin=_MARGIN):
            valid = self._warp(piece, grid, [band], Resampling.average, VALIDITY, (), frame)[0]
            out = np.maximum(out, np.nan_to_num(valid))
        return out

    def _read_aligned(
        self, grid: GeoBox, bands: Sequence[int], kind: SourceKind, classes: Sequence[int]
    ) -> NDArray[np.float32]:
        """Copy cells, without any warping; columns go round the world where the raster does."""
        shift = ~self.geobox.affine * grid.affine
        row0, col0 = round(shift.f), round(shift.c)
        rows, columns = grid.shape
        channels = len(bands) * len(kind.channels(classes))
        out = np.full((channels, rows, columns), np.nan, np.float32)
        top, bottom = max(row0, 0), min(row0 + rows, self.height)
        if top >= bottom:
            return out
        for start, stop, at in _column_runs(col0, columns, self.width, self.georeference.period):
            file_col = start if self.transform.a > 0 else self.width - stop
            file_row = top if self.transform.e < 0 else self.height - bottom
            part = self.values(bands, Window(file_col, file_row, stop - start, bottom - top))
            part = part[:, :: 1 if self.transform.e < 0 else -1, :: 1 if self.transform.a > 0 else -1]
            out[:, top - row0 : bottom - row0, at : at + stop - start] = kind.encode(part, classes)
        return out

    def _warp(
        self,
        piece: Footprint,
        grid: GeoBox,
        bands: Sequence[int],
        resampling: Resampling,
        kind: SourceKind,
        classes: Sequence[int],
        frame: int = 0,
    ) -> NDArray[np.float32]:
        """Warp one window of the file, with `frame` zeros round it, onto the grid."""
        from rasterio.warp import reproject

        parts, step = [], max(1, math.ceil(math.sqrt(piece.width * piece.height / READ_LIMIT)))
        for start, stop, _ in _column_runs(piece.col, piece.width, self.width, self.georeference.period):
            window = Window(start, piece.row, stop - start, piece.height)
            parts.append(self.values(bands, window, step, kind.labels))
        values = kind.encode(np.concatenate(parts, axis=2), classes)
        stretch = (piece.width / values.shape[2], piece.height / values.shape[1])
        values = np.pad(values, ((0, 0), (frame, frame), (frame, frame))) if frame else values
        source = self.transform * Affine.translation(piece.col, piece.row) * Affine.scale(*stretch)
        source = source * Affine.translation(-frame, -frame)
        source = Affine.translation(piece.shift, 0) * source
        out = np.full((values.shape[0], *grid.shape), np.nan, np.float32)
        reproject(
            np.ascontiguousarray(values),
            out,
            src_transform=source,
            src_crs=self.crs,
            src_nodata=np.nan,
            dst_transform=grid.affine,
            dst_crs=CRS.from_wkt(crs_wkt(grid)),
            dst_nodata=np.nan,
            resampling=resampling,
            tolerance=0.0 if max(grid.shape) <= 64 else 0.05,
        )
        return out

    def values(
        self, bands: Sequence[int], window: Window, step: int = 1, classes: bool = False
    ) -> NDArray[np.float32]:
        """Read cells of the file as (bands, rows, columns) float32 in the wanted units, NaN where invalid.

        Args:
            bands: 1-based.
            window: in the file's own rows and columns.
            step: read one cell for step × step, their mean (the nearest of classes).
            classes: the values are class numbers.

        Raises:
            InputError: the file is damaged.
        """
        shape = (len(bands), math.ceil(window.height / step), math.ceil(window.width / step))
        thin = Resampling.nearest if classes else Resampling.average
        try:
            with self._lock:
                raw = self._file.read(
                    list(bands), window=window, masked=self._has_mask, out_shape=shape, resampling=thin
                )
        except rasterio.errors.RasterioIOError as error:
            why = gdal_reason(error, self.ref.path)
            raise InputError(f"{self.label}: {self.ref.path} cannot be read: {why}.") from error
        data, whole = np.ma.getdata(raw), raw.dtype.kind in "iu"
        wide = raw.dtype.itemsize > (2 if whole else 4)  # more digits than float32 has
        values = data.astype(np.float64 if wide else np.float32, copy=False)
        holes = np.ma.getmaskarray(raw) if self._has_mask else np.zeros((len(bands), 1, 1), bool)
        for i, band in enumerate(bands):
            hole, nodata = holes[i], self._file.nodatavals[band - 1]
            if nodata is not None and math.isfinite(nodata):
                # A whole number is compared as one: numpy would turn all cells into doubles.
                hole = hole | (data[i] == (int(nodata) if whole and nodata == int(nodata) else nodata))
            scale, offset = self._file.scales[band - 1], self._file.offsets[band - 1]
            factor = scale * self._convert.factor
            shift = offset * self._convert.factor + self._convert.offset
            if factor != 1.0:
                values[i] *= factor
            if shift != 0.0:
                values[i] += shift
            if hole.any():
                values[i][np.broadcast_to(hole, values[i].shape)] = np.nan
        with np.errstate(over="ignore", invalid="ignore"):
            single = values.astype(np.float32, copy=False)
        if not whole and not (finite := np.isfinite(single)).all():
            single[~finite] = np.nan
        return single

    def _file_units(self) -> str:
        band = (self.ref.band or 1) - 1
        named = self._file.units[band] or self._tags[band].get("units") or self._tags[band].get("UNITS")
        return (named or self._file.tags().get("UNITS") or "").strip()


def _assumed_crs(ref: RasterRef, tags: Mapping[str, str]) -> CRS | None:
    """Return the CRS that the user gives, or WGS 84 where CF axes are latitude and longitude."""
    if ref.crs:
        try:
            return CRS.from_user_input(ref.crs)
        except CRSError as error:
            raise InputError(f"The CRS {ref.crs!r} given for {ref.path} is unknown.") from error
    axes = {
        value.split("_")[-1][0] for key, value in tags.items() if value.startswith("degree") and "#" in key
    }
    return CRS.from_epsg(4326) if {"n", "e"} <= axes else None


def _column_runs(start: int, count: int, width: int, period: int | None) -> list[tuple[int, int, int]]:
    """Split columns start … start+count into runs (first, end, place in the result) inside the file."""
    if period is None:
        first, end = max(start, 0), min(start + count, width)
        return [(first, end, first - start)] if first < end else []
    runs, at = [], 0
    while at < count:
        first = (start + at) % period
        length = min(period - first, count - at)
        runs.append((first, first + length, at))
        at += length
    return runs
