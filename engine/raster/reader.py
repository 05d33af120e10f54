"""What a raster is: its grid, units, nodata, bands and dates, and how a window of it is read."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.windows import Window

from engine import units
from engine.dates import When
from engine.errors import InputError
from engine.parts_of_month import parts_of
from engine.quantities.periods import step_of
from engine.raster.footprint import Footprint, footprint, scale
from engine.raster.georeference import crs_wkt
from engine.raster.longitudes import column_runs
from engine.raster.opening import open_raster
from engine.raster.raster_file import RasterFile, ServerWatch, go_on, thinned
from engine.raster.reference import RasterRef
from engine.raster.sampling import sample_windows
from engine.source_kinds import KINDS, VALIDITY, SourceKind

READ_LIMIT = 16_000_000  # source cells, over all channels, held at once while a window is warped
_PIECE = 4_000_000  # cells read at once, over all bands
_MARGIN = 4  # source cells around a window, for the widest kernel


class Raster:
    """One raster file, open for windowed reads onto any grid.

    Reads return float32 in the wanted units, NaN where there is no data: nodata, masked or not
    a number. A raster that goes round the world is continued across the date line.

    Args:
        ref: path, variable and band, and what the user says of them.
        label: how sentences call it, e.g. "elevation".
        wanted_units: units to convert to, or "" to keep the file's.
        quantity: what is wanted, as in `units.plan`, where the label does not name it.
        check: called between the pieces of a read, also of one that opening it takes; may raise to stop it.
            It may be given later.

    Raises:
        InputError: the raster cannot be opened, has no such band, CRS or usable georeference, or
            its units cannot be converted.
    """

    def __init__(
        self,
        ref: RasterRef,
        label: str,
        wanted_units: str = "",
        quantity: str = "",
        check: Callable[[], None] = go_on,
    ) -> None:
        self.ref, self.label, self.check = ref, label, check
        self._lock = threading.Lock()
        self._file = self._open()
        count = len(self._file.bands)
        if ref.band is not None and ref.band > count:
            self._file.close()
            raise InputError(f"{label}: band {ref.band} of {ref.path} does not exist: it has {count}.")
        self.georeference = self._file.georeference
        self.elsewhere, self.servers = self._file.elsewhere, ServerWatch(self._file.server_facts)
        self.attributes, self.names_numbers = self._file.attributes, self._file.names_numbers
        self.dates = [band.when for band in self._file.bands]
        self.further = [band.further for band in self._file.bands]  # what tells those of a date apart
        self.units = self._file_units()
        self._taken = list(self.dates)
        said = {"variable": self._file.variable, **self._file.attributes}
        step = self._file.step or step_of(self.dates)
        try:
            conversion = units.plan(self.units, wanted_units, label, quantity, said, step)
            self.conversion = replace(conversion, own=parts_of(self.dates).days)
        except InputError:
            self._file.close()
            raise

    def sample_windows(self, cells: int) -> list[Window]:
        """Return windows of the file that lie evenly over it and hold about so many cells together."""
        return sample_windows(self.height, self.width, self._file.block, cells)

    def _open(self) -> RasterFile:
        return open_raster(self.ref, self.label, self._checked)

    def _checked(self) -> None:
        self.check()  # whichever it is by then

    @property
    def count(self) -> int:
        """Number of bands."""
        return len(self._file.bands)

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
    def variable(self) -> str:
        """The variable that is read, "" where the format has none."""
        return self._file.variable

    @property
    def step(self) -> str:
        """Between its dates, such as "month"; "" where it is not known."""
        return self._file.step

    @property
    def units_told(self) -> str:
        """The units, and what they are converted to, in words."""
        return self.conversion.describe()

    @property
    def notes(self) -> list[str]:
        """What the file left open and how it was taken, as far as it was read."""
        return list(self._file.notes)

    @property
    def doubts(self) -> list[str]:
        """What may be wrong with the file or with how it was taken, as far as it was read: sentences."""
        numbers = ", ".join(f"{number:g}" for number in self._file.unnamed_missing)
        told = f"{numbers} is taken as missing: it lies far from all other values, and nothing names it"
        lines = [*self._file.doubts, told] if numbers else self._file.doubts
        return [f"{self.label}: {line}." for line in lines]

    @property
    def bare_numbers(self) -> bool:
        """Whether it holds whole numbers for which nobody states a scale."""
        return self._file.bare_numbers

    @property
    def files(self) -> tuple[str, ...]:
        """The files on disk that it is read from."""
        return self._file.files

    def describe(self) -> str:
        """Return the grid in words: size, resolution, CRS."""
        return self.georeference.describe()

    def check_units(self, band: int) -> None:
        """Refuse a band whose numbers cannot become the wanted units.

        Raises:
            InputError: an amount is given, a rate wanted, and no date tells over which time it is summed.
        """
        self.conversion.at(self._taken[band - 1])

    def take_dates(
        self, dates: Sequence[When | None], step: str = "", days: Mapping[When, int] | None = None
    ) -> None:
        """Give dates to bands that carry none, and the step between files, for the conversion of their units.

        A single date is for all bands; `days` are those of each date's own step, where they differ.
        """
        if days:
            self.conversion = replace(self.conversion, own=days)
        if step and not self.conversion.step:
            self.conversion = replace(self.conversion, step=step)
        own = [band.when for band in self._file.bands]
        given = dates if len(dates) == len(own) else [*dates[:1]] * len(own)
        self._taken = [when or other for when, other in zip(own, given)]

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
        if self.georeference.aligned(grid) and resampling == Resampling.nearest:
            return self._read_aligned(grid, bands, kind, classes)
        return self._warped(grid, bands, resampling, kind, classes)

    def _warped(
        self,
        grid: GeoBox,
        bands: Sequence[int],
        resampling: Resampling,
        kind: SourceKind,
        classes: Sequence[int],
        frame: int = 0,
    ) -> NDArray[np.float32]:
        """Warp what lies under a grid onto it, in pieces that are small enough and have no seam."""
        rows, columns = grid.shape
        channels = len(bands) * len(kind.channels(classes))
        prints = footprint(self.georeference, grid, margin=_MARGIN)
        out = np.full((channels, rows, columns), np.nan, np.float32)
        cells = channels * sum(p.width * p.height for p in prints)
        # A piece that goes round the world has its seam somewhere, where cells would be torn or lost.
        too_wide = any(p.round_the_world for p in prints)
        if (cells > READ_LIMIT or too_wide) and rows * columns > 1:
            half_r, half_c = (rows + 1) // 2, (columns + 1) // 2
            for r in (slice(0, half_r), slice(half_r, rows)):
                for c in (slice(0, half_c), slice(half_c, columns)):
                    if r.start < r.stop and c.start < c.stop:
                        out[:, r, c] = self._warped(grid[r, c], bands, resampling, kind, classes, frame)
            return out
        for piece in prints:
            warped = self._warp(piece, grid, bands, resampling, kind, classes, frame)
            out = np.where(np.isnan(out), warped, out)
        return out

    def coverage(self, grid: GeoBox, band: int, of: SourceKind = VALIDITY) -> NDArray[np.float32]:
        """Return each grid cell's share under valid cells, or those that `of` makes 1: (rows, columns)."""
        # Empty cells round the file, so that edges count.
        frame = math.ceil(scale(self.georeference, grid)) + _MARGIN
        return np.nan_to_num(self._warped(grid, [band], Resampling.average, of, (), frame)[0])

    def _read_aligned(
        self, grid: GeoBox, bands: Sequence[int], kind: SourceKind, classes: Sequence[int]
    ) -> NDArray[np.float32]:
        """Copy cells, without any warping; columns go round the world where the raster does."""
        row0, col0 = self.georeference.place(grid) or (0, 0)
        rows, columns = grid.shape
        channels = len(bands) * len(kind.channels(classes))
        out = np.full((channels, rows, columns), np.nan, np.float32)
        top, bottom = max(row0, 0), min(row0 + rows, self.height)
        if top >= bottom:
            return out
        for start, stop, at in column_runs(col0, columns, self.width, self.georeference.turn):
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

        self.check()
        held = piece.width * piece.height * len(bands) * len(kind.channels(classes))
        parts, step = [], max(1, math.ceil(math.sqrt(held / READ_LIMIT)))
        for start, stop, _ in column_runs(piece.col, piece.width, self.width, self.georeference.period):
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
        rows = max(1, _PIECE // max(1, window.width * step * len(bands))) * step
        pieces = []
        for top in range(0, max(1, int(window.height)), rows):  # between them a run may be stopped
            self.check()
            height = min(rows, window.height - top)
            piece = Window(window.col_off, window.row_off + top, window.width, height)
            pieces.append(self._values(bands, piece, step, classes))
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)

    def _values(self, bands: Sequence[int], window: Window, step: int, classes: bool) -> NDArray[np.float32]:
        with self._lock:
            if step > 1:
                values = thinned(self._file, bands, window, step, classes)
            else:
                values = self._file.read(bands, window, classes)
        for i, band in enumerate(bands):
            line = self.conversion.at(self._taken[band - 1])
            if line.factor != 1.0:
                values[i] *= line.factor
            if line.offset != 0.0:
                values[i] += line.offset
        with np.errstate(over="ignore", invalid="ignore"):
            single = values.astype(np.float32, copy=False)
        if np.isinf(single).any():
            raise InputError(
                f"{self.label}: {self.ref.path} holds infinite values, or numbers beyond those of float32: "
                f"make them missing (NaN or nodata) first."
            )
        return single

    def _file_units(self) -> str:
        return self._file.bands[(self.ref.band or 1) - 1].units
