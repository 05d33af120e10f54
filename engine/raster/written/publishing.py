"""Final names for whole files, and sentences for what the system or GDAL refuses."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Sequence
from pathlib import Path

from engine.errors import EngineError, InputError
from engine.files.partial_files import finish
from engine.raster.gdal_reasons import gdal_reason

_REFUSED = "the disk refuses it; check the disk, its rights and its limits"


def publish(made: Sequence[tuple[Path, Path]]) -> None:
    """Give whole files their final names, all or none.

    Args:
        made: (temporary name, final name) of each.

    Raises:
        InputError: one of them is protected or held open.
        EngineError: the system refuses for another reason.
    """
    # GDAL writes a CRS that GeoTIFF has no keys for, such as a rotated pole, into a file beside it.
    beside = [(_aux(cog), _aux(path)) for cog, path in made if _aux(cog).exists()]
    try:
        finish([*made, *beside])
    except BaseException as failure:
        translate(failure, Path(getattr(failure, "filename2", None) or made[0][1]))
        raise
    # Statistics and overviews of an earlier file of this name would be taken for this one's.
    kept = {path for _, path in beside}
    for _, path in made:
        for suffix in (".aux.xml", ".ovr", ".msk"):
            stale = path.with_name(path.name + suffix)
            if stale not in kept:
                stale.unlink(missing_ok=True)


def _aux(path: Path) -> Path:
    return path.with_name(path.name + ".aux.xml")


def translate(error: BaseException, path: Path) -> None:
    """Raise the sentence for an error of GDAL or the system; return for any other."""
    from rasterio.errors import RasterioError

    if isinstance(error, EngineError):
        return
    full = isinstance(error, OSError) and error.errno == errno.ENOSPC
    # GDAL does not hand on why it could not write; the temporary files still stand here.
    if full or shutil.disk_usage(path.parent).free < 2**20:
        raise EngineError(f"The disk became full while writing {path}.") from error
    if isinstance(error, PermissionError):
        raise InputError(
            f"{path} cannot be written: it is protected, or another program has it open."
        ) from error
    if isinstance(error, (OSError, RasterioError)):
        raise EngineError(f"{path} cannot be written: {gdal_reason(error, str(path), _REFUSED)}.") from error
