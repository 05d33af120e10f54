"""What can be known to go wrong before a run; each problem is a sentence that names the parameter."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from qgis.core import QgsCoordinateTransformContext, QgsProject

from ..appearance.window import in_dialog
from ..contract import MAX_CELLS, PARTIAL_SIGNS
from ..folders import too_long
from ..translation import tr
from .destinations import Destination
from .places import files_of, same_place
from .rasters import InputRaster, RasterProblem, overlap

OPEN_FILES_ARE_HELD = sys.platform == "win32"  # there a file that is open cannot be replaced
WRITTEN = (".tif", ".tiff", ".nc", ".zarr")  # endings of what the engine writes
MIN_MEMORY = 600 * 2**20  # torch, GDAL and the smallest tiles
_CLOCK = r"(?:[01]\d|2[0-3])(?::[0-5]\d(?::[0-5]\d)?)?"
_DATE = re.compile(
    rf"\s*(?:\d{{4}}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01])(?:[T ]{_CLOCK}\s*(?:Z|UTC)?)?)?)?|"
    rf"(?:--)?(?:0?[1-9]|1[0-2])(?:T{_CLOCK})?)\s*"
)
_written: dict[str, tuple[str, int]] = {}  # algorithm: what it wrote last, and when
# What a simple method takes; where a network takes more, the engine makes the tiles smaller.
_BYTES_PER_TILE_CELL = 160


def check_distinct(target: InputRaster, sources: Iterable[InputRaster]) -> None:
    """Refuse the target as a source: a dialog offers the first layer for every raster.

    Raises:
        RasterProblem: naming the source.
    """
    for source in sources:
        if source.path == target.path and source.band == target.band:
            raise RasterProblem(
                tr("{} is the same raster and band as the target (TARGET).").format(source.label)
            )


def check_overlap(
    target: InputRaster, others: Iterable[InputRaster], transforms: QgsCoordinateTransformContext
) -> None:
    """Refuse a raster that lies elsewhere than the target.

    Raises:
        RasterProblem: naming the raster.
    """
    for other in others:
        if not overlap(target.extent, target.crs, other.extent, other.crs, transforms):
            raise RasterProblem(tr("{} does not overlap the target raster (TARGET).").format(other.label))


def remember(algorithm: str, output: str) -> None:
    """Keep in mind which file an algorithm wrote last."""
    if modified := _modified(output):
        _written[algorithm] = output, modified


def check_slip(algorithm: str, target: InputRaster) -> None:
    """Refuse, in a dialog, the very file that the same algorithm wrote last: the list of layers offers it.

    Raises:
        RasterProblem: naming TARGET.
    """
    output, modified = _written.get(algorithm, ("", 0))
    if output and in_dialog(algorithm) and same_place(target.path, output) and _modified(output) == modified:
        raise RasterProblem(
            tr("{} is the result that this algorithm wrote last, {}: choose the coarse raster.").format(
                target.label, output
            )
        )


def _modified(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def check_outputs(
    outputs: Iterable[Destination], inputs: Iterable[InputRaster], endings: Sequence[str] = WRITTEN
) -> None:
    """Refuse an output that is an input or another output, is of no format written, or has no folder.

    Args:
        outputs: that are asked for.
        inputs: of the run.
        endings: that a name may have.

    Raises:
        RasterProblem: naming its parameter.
    """
    inputs = list(inputs)
    seen: list[Destination] = []
    for output in outputs:
        path, label = output.path, output.label
        if not path:
            continue
        if Path(path).suffix.lower() not in endings:
            arrays = tr("{} must be a GeoTIFF, NetCDF or Zarr, ending in .tif, .nc or .zarr: {}")
            wanted = arrays if ".zarr" in endings else tr("{} must be a GeoTIFF, ending in .tif: {}")
            raise RasterProblem(wanted.format(label, path))
        folder = Path(path).absolute().parent
        if problem := too_long(path, PARTIAL_SIGNS):
            raise RasterProblem(f"{label}: {path}: {problem}")
        if not folder.is_dir():
            raise RasterProblem(tr("{}: the folder does not exist: {}").format(label, folder))
        if not os.access(folder, os.W_OK):
            raise RasterProblem(tr("{}: the folder cannot be written to: {}").format(label, folder))
        for raster in inputs:
            if any(same_place(path, file) for file in (raster.path, *files_of(raster.path))):
                raise RasterProblem(
                    tr(
                        "{} is the same file as {}, or one that it is read from: {}. Choose another name."
                    ).format(label, raster.label, path)
                )
        for other in seen:
            if same_place(path, other.path) or path.casefold() == other.path.casefold():
                raise RasterProblem(
                    tr("{} is the same file as {}: {}. Choose another name.").format(label, other.label, path)
                )
        seen.append(output)


def check_not_open(outputs: Iterable[Destination], project: QgsProject | None) -> list[str]:
    """Return warnings of outputs that are open as layers; refuse them where the system holds open files.

    Raises:
        RasterProblem: naming an output's parameter and the layer.
    """
    warnings: list[str] = []
    given = [output for output in outputs if output.path and Path(output.path).exists()]
    for layer in project.mapLayers().values() if given and project is not None else ():
        files = files_of(layer.source().split("|")[0])
        for output in given:
            if not any(same_place(output.path, file) for file in files):
                continue
            sentence = tr("{}: {} is open as the layer “{}”").format(output.label, output.path, layer.name())
            if OPEN_FILES_ARE_HELD:
                raise RasterProblem(
                    tr(
                        "{}, so it cannot be replaced: remove that layer first, or choose another name."
                    ).format(sentence)
                )
            warnings.append(tr("{}, which shows the old values until it is loaded again.").format(sentence))
    return warnings


def check_size(cells: int, dates: int, outputs: Iterable[Destination], temporary_folder: str) -> None:
    """Refuse outputs of a silly size, or ones that a disk has no room for.

    Raises:
        RasterProblem: naming RESOLUTION or an output.
    """
    if cells > MAX_CELLS:
        raise RasterProblem(
            tr(
                "The output would have {:.3g} cells, more than {:.3g}: check the resolution "
                "(RESOLUTION) and the extent (EXTENT)."
            ).format(cells, MAX_CELLS)
        )
    needed: dict[Path, int] = {}
    for output in outputs:
        folder = Path(output.path).absolute().parent if output.path else Path(temporary_folder)
        # Working file and result side by side, as the engine counts.
        needed[folder] = needed.get(folder, 0) + 10 * cells * dates * output.bands + 2**20
        try:
            free = shutil.disk_usage(folder).free
        except OSError:
            continue
        if needed[folder] > free:
            raise RasterProblem(
                tr("{} may need {} of disk space, but {} has only {} left.").format(
                    output.label, _size(needed[folder]), folder, _size(free)
                )
            )


def check_memory(tile: int, factor: int, bands: int = 1) -> None:
    """Refuse a run for which there is certainly too little memory.

    Args:
        tile: its edge in coarse cells, 0 for automatic.
        factor: fine cells along a coarse one.
        bands: that are made at once.

    Raises:
        RasterProblem: naming TILE.
    """
    free = available_memory()
    if free is None:
        return
    if free < MIN_MEMORY:
        raise RasterProblem(
            tr(
                "Only {} of memory are free, a run needs at least {} even with the smallest tile "
                "size (TILE): close other programs first."
            ).format(_size(free), _size(MIN_MEMORY))
        )
    needed = (tile * factor) ** 2 * (_BYTES_PER_TILE_CELL + 4 * bands)
    if needed > free:
        raise RasterProblem(
            tr(
                "A tile size (TILE) of {} coarse cells needs about {} of memory, but only {} are "
                "free: choose a smaller one, or 0 for automatic."
            ).format(tile, _size(needed), _size(free))
        )


def check_date(date: str) -> None:
    """Refuse what is no date.

    Raises:
        RasterProblem: naming DATE.
    """
    ends = date.split("..") if date.count("..") == 1 else [date]
    if date and not all(_DATE.fullmatch(end.strip()) for end in ends):
        raise RasterProblem(
            tr(
                "The date (DATE) “{}” is none: write YYYY-MM-DD, YYYY-MM-DDTHH:MM (UTC), YYYY-MM, "
                "YYYY, MM for a month of any year, or two of them for all dates between: "
                "2018-10..2019-06."
            ).format(date)
        )


def available_memory() -> int | None:
    """Return the bytes of memory that are free or can be freed; None where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return _windows_memory()


def _windows_memory() -> int | None:
    if sys.platform != "win32":
        return None
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
            (name, ctypes.c_ulonglong)
            for name in ("total", "available", "page", "page_free", "virtual", "virtual_free", "extended")
        ]

    status = Status()
    status.length = ctypes.sizeof(Status)
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return None
    return int(status.available)


def _size(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} TB"
