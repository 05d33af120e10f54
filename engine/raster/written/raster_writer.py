"""Writes the result: a Cloud Optimized GeoTIFF, window by window, that appears only when whole."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from engine.errors import InputError
from engine.files.free_disk import check_free
from engine.files.partial_files import discard, discard_stale, partial_path
from engine.raster.cf.store_contents import is_store
from engine.raster.written.cf_layout import BandLayout, CfDataset, cf_dataset
from engine.raster.written.netcdf import write_netcdf
from engine.raster.written.publishing import publish, translate
from engine.raster.written.strips import Strips
from engine.raster.written.zarr_store import write_zarr

if TYPE_CHECKING:
    import numpy as np
    from affine import Affine

_STRIPS = 2**25  # bytes of a band that lines of cells may share, since GDAL's cache holds them all
_PADDING = 2.0  # times the cells of a raster of several bands, at most, that its blocks may have
_LONG = 8  # times longer than wide: a thin raster
GDAL_CACHE_MB = 64  # GDAL's own default is a share of the machine's memory
# DEFLATE is read by every GDAL. Level 1 with the floating point predictor writes 30 million cells a
# second on two cores; level 6 makes files 2 % smaller and takes a third longer.
COG_OPTIONS = {
    "COMPRESS": "DEFLATE",
    "LEVEL": "1",
    "PREDICTOR": "FLOATING_POINT",
    "OVERVIEW_RESAMPLING": "AVERAGE",
    "BIGTIFF": "IF_SAFER",
    "NUM_THREADS": "ALL_CPUS",
}


ARRAY_FILES = {".nc": write_netcdf, ".zarr": write_zarr}  # what is written instead, by a name's ending
GEOTIFF = (".tif", ".tiff")


def disk_needed(width: int, height: int, bands: int = 1) -> int:
    """Return the bytes that must be free while an output is written.

    The plain file takes 4 bytes a cell of its blocks, the compressed one with its overviews at most 4/3 of 4
    bytes a cell, and its overviews stand beside it while it is made.
    """
    blocks = _plain_blocks(width, height, bands)
    plain = _padded(width, height, blocks.get("blockxsize", width), blocks["blockysize"])
    return (4 * plain + 7 * width * height) * bands + 2**20


def _padded(width: int, height: int, across: int, down: int) -> int:
    """Return the cells of whole blocks that hold a raster."""
    return (-(-width // across) * across) * (-(-height // down) * down)


def _block(bands: int) -> int:
    """Tile edge: a tile of the COG holds all bands, and must not grow with their number."""
    return 512 if bands <= 4 else 256 if bands <= 16 else 128


def _plain_blocks(width: int, height: int, bands: int) -> dict[str, Any]:
    """Return the layout of the plain file: blocks that its cells fill, few for each window.

    Of several bands they are those of the COG, whose overviews take four times as long from others.
    """
    edge = _block(bands)
    across, down = edge if height >= edge else 2**12, min(edge, -(-height // 16) * 16)
    padding = _padded(width, height, across, down) / (width * height)
    small = width * height * 4 < _STRIPS and (bands == 1 or padding > _PADDING)
    if width < edge or small:
        return {"tiled": False, "blockysize": max(1, min(height, 2**18 // width))}
    return {"tiled": True, "blockxsize": across, "blockysize": down}


class RasterWriter:
    """Context manager that writes float32 windows and leaves a Cloud Optimized GeoTIFF, NetCDF or Zarr.

    Windows go into a plain tiled GeoTIFF beside the output. Leaving the context without an error
    turns it into a COG (overviews by averages of valid cells), or into what the name of `path` asks
    for (`ARRAY_FILES`), and renames that to `path`; leaving it with one removes everything, and what
    stood at `path` before stays. Not safe for several threads at once. Memory does not grow with the
    raster.

    Args:
        path: the output file.
        width, height: size in cells.
        transform: from (column, row) to coordinates of `crs`.
        crs: what rasterio takes, or None.
        bands: number of bands.
        nodata: the value that stands for NaN in the file.
        band_names: a description for each band.
        tags: metadata of the file; values that are no strings are written as JSON.
        units: unit of all bands.
        band_tags: metadata of each band, such as {"date": "2020-11"}.
        layout: what the bands are, for a NetCDF or Zarr.

    Raises:
        InputError: the folder is absent, not writable or too full, or the file is held open.
        EngineError: writing failed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        width: int,
        height: int,
        transform: Affine,
        crs: Any,
        bands: int = 1,
        nodata: float = math.nan,
        band_names: Sequence[str] | None = None,
        tags: Mapping[str, Any] | None = None,
        units: str = "",
        band_tags: Sequence[Mapping[str, Any]] | None = None,
        layout: BandLayout | None = None,
    ) -> None:
        self.path = Path(path).expanduser().absolute()
        self.width, self.height, self.bands = width, height, bands
        self.transform, self.crs, self.nodata = transform, crs, float(nodata)
        self.band_names, self.units = band_names, units
        self.tags, self.band_tags = tags or {}, band_tags or ()
        self.layout = layout or BandLayout("value", "value", units)
        self._write_array = ARRAY_FILES.get(self.path.suffix.lower())  # None: a GeoTIFF
        self._plain: Path | None = None
        self.made: Path | None = None
        self._dataset: Any = None

    def __enter__(self) -> RasterWriter:
        import rasterio

        self._check_folder()
        discard_stale(self.path)
        self._plain = partial_path(self.path)
        try:
            with _gdal():
                self._dataset = rasterio.open(
                    self._plain,
                    "w",
                    driver="GTiff",
                    width=self.width,
                    height=self.height,
                    count=self.bands,
                    dtype="float32",
                    nodata=self.nodata,
                    crs=self.crs,
                    transform=self.transform,
                    **_plain_blocks(self.width, self.height, self.bands),
                    interleave="band",
                    BIGTIFF="IF_SAFER",
                )
                self._describe()
        except BaseException as error:
            self.abandon()
            translate(error, self.path)
            raise
        return self

    def set_tags(self, **tags: Any) -> None:
        """Add metadata of the file that is known only after the cells, such as the residual."""
        self._dataset.update_tags(**{k: _text(v) for k, v in tags.items()})

    def write(self, array: np.ndarray, row: int, col: int, band: int | None = None) -> None:
        """Write a window.

        Args:
            array: (bands, h, w), or (h, w) for one band; NaN where there is no value.
            row, col: the window's upper left cell.
            band: 1-based band of an array (h, w); may be left out when there is just one.

        Raises:
            ValueError: the array does not fit into the raster.
            EngineError: writing failed.
        """
        import numpy as np
        from rasterio.windows import Window

        if array.ndim == 2:
            if band is None and self.bands > 1:
                raise ValueError("a window of one band needs the band's number")
            array, indexes = array[None], [band or 1]
        else:
            indexes = list(range(1, self.bands + 1))
        count, height, width = array.shape
        if (
            count != len(indexes)
            or min(row, col) < 0
            or row + height > self.height
            or col + width > self.width
        ):
            raise ValueError(f"a window {array.shape} at ({row}, {col}) does not fit into the raster")
        array = np.ascontiguousarray(array, dtype=np.float32)
        if not math.isnan(self.nodata):
            array = np.where(np.isnan(array), np.float32(self.nodata), array)
        try:
            with _gdal():
                self._dataset.write(array, indexes=indexes, window=Window(col, row, width, height))
        except Exception as error:
            translate(error, self.path)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.convert()
                publish([(self.made, self.path)] if self.made is not None else [])
        finally:
            self.abandon()

    def convert(self, check: Callable[[], None] = lambda: None) -> None:
        """Make the final file, still under a temporary name; no window can follow.

        Args:
            check: called between the strips of a NetCDF or Zarr; raises to stop.

        Raises:
            EngineError: writing failed.
        """
        self.made = partial_path(self.path)
        try:
            self._close()
            self._convert(self.made, check)
        except BaseException as failure:
            translate(failure, self.path)
            raise

    def _convert(self, cog: Path, check: Callable[[], None]) -> None:
        import rasterio
        from rasterio.shutil import copy
        from rasterio.windows import Window

        expected = self.width * self.height * self.bands * 4
        if self._plain is None or self._plain.stat().st_size < expected:
            # GDAL may report a full disk only in its log when it closes a file.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self._write_array is not None:
            self._convert_array(cog, check, self._write_array)
            return
        with _gdal():
            copy(self._plain, cog, driver="COG", BLOCKSIZE=self._tile(), **COG_OPTIONS)
            with rasterio.open(cog) as whole:  # its last cells come last into the file
                whole.read(window=Window(self.width - 1, self.height - 1, 1, 1))

    def _convert_array(
        self, path: Path, check: Callable[[], None], write: Callable[[Path, CfDataset, Strips], None]
    ) -> None:
        import numpy as np
        import rasterio
        from rasterio.windows import Window

        with _gdal(), rasterio.open(self._plain) as plain:

            def strip(band: int, first: int, rows: int) -> np.ndarray:
                check()
                values = plain.read(band + 1, window=Window(0, first, self.width, rows))
                return values if math.isnan(self.nodata) else np.where(values == self.nodata, np.nan, values)

            size = self.height, self.width
            made = cf_dataset(self.layout, size, self.transform, self.crs, plain.tags())
            write(path, made, strip)

    @property
    def whole(self) -> Path | None:
        """A file with all cells that GDAL reads, once `convert` is done."""
        return self.made if self._write_array is None else self._plain

    def _describe(self) -> None:
        data = self._dataset
        self.set_tags(**self.tags)
        if self.units:
            data.units = (self.units,) * self.bands
        for band, name in enumerate(self.band_names or (), 1):
            data.set_band_description(band, name)
        for band, tags in enumerate(self.band_tags, 1):
            data.update_tags(band, **{k: _text(v) for k, v in tags.items()})

    def _tile(self) -> int:
        """Tile edge of the COG: a long thin raster has smaller ones, which its cells fill."""
        edge, thin = _block(self.bands), min(self.width, self.height)
        while edge >= 2 * max(thin, 16) and max(self.width, self.height) > _LONG * thin:
            edge //= 2
        return edge

    def _check_folder(self) -> None:
        folder = self.path.parent
        if not folder.is_dir():
            raise InputError(f"The folder of the output does not exist: {folder}.")
        if self.path.is_dir() and not (self.path.suffix.lower() == ".zarr" and is_store(str(self.path))):
            raise InputError(f"The output {self.path} is a folder.")
        if not os.access(folder, os.W_OK):
            raise InputError(f"The folder of the output cannot be written to: {folder}.")
        needed = disk_needed(self.width, self.height, self.bands)
        check_free("The output", needed, folder, "a smaller extent")

    def _close(self) -> None:
        if self._dataset is not None:
            dataset, self._dataset = self._dataset, None
            with _gdal():
                dataset.close()

    def abandon(self) -> None:
        """Remove every temporary file."""
        try:
            self._close()
        finally:
            for file in (self._plain, self.made):
                if file is not None:
                    discard(file)


def _gdal() -> Any:
    import rasterio

    return rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE_MB)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
