"""Why GDAL refused a raster, in words, whatever the words of its own message."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from engine.files.system_errors import system_reason
from engine.raster.gdal.file_references import is_remote

_ABSENT = re.compile(r"^'?(?P<name>.+?)'?(?:: No such file or directory| does not exist in the file system)")
_NOT_GIVEN = "its server does not give it: check the address, or download the file first"
_VARIABLE = re.compile(r"\.(?:nc4?|cdf|h5|hdf5?|he5):[^:?]+(?:\?|$)", re.IGNORECASE)  # of an HDF5 file
_SERVICE = re.compile(r"^NETCDF:|/dodsC/", re.IGNORECASE)  # OPeNDAP, which gives variables
_WORDS = (
    ("permission denied", "you have no permission to read it"),
    ("too many open files", "too many files are open in this process: raise the limit (ulimit -n)"),
    ("no space left", "the disk is full: make room there"),
    ("file too large", "it would be larger than this disk or your limit (ulimit -f) allows"),
    ("read-only file system", "it lies on a disk that can only be read"),
    ("requested directory", "it has no such page: check the number in GTIFF_DIR"),
    ("curl", "its server cannot be reached: check the address, or download the file first"),
    ("http", _NOT_GIVEN),
)
DAMAGED = "it is damaged or not whole: copy or download it again"


def gdal_reason(error: BaseException, name: str, otherwise: str = DAMAGED) -> str:
    """Return why a raster cannot be opened or read, as the end of a sentence.

    Args:
        error: rasterio's; those that it was raised from are heard, too.
        name: the raster's, as it was given to GDAL.
        otherwise: what to say where GDAL does not tell.
    """
    if is_remote(name) and _VARIABLE.search(name) and not _SERVICE.search(name):
        return (
            "no variable of a NetCDF or HDF5 file is read on a server: download it first, or refer to its "
            "pieces (docs/cloud.md)"
        )
    chain = list(_chain(error))
    for each in chain:
        if isinstance(each, OSError) and each.errno:
            return system_reason(each)
    texts = [str(each) for each in chain]
    for text in texts:
        if absent := _ABSENT.match(text):
            return _absent(absent["name"], name)
    for text in texts:
        for words, reason in _WORDS:
            if words in text.lower():
                return reason
    if is_remote(name):
        return _NOT_GIVEN
    if any("not recognized as" in text for text in texts):
        return _unknown(name)
    return otherwise


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _absent(gone: str, name: str) -> str:
    """Return that a file is not there: the raster itself, or one that a VRT or a GDAL name speaks of."""
    if gone == name:
        quoted = re.search(r'"([^"]+)"', name)
        if quoted and _exists(quoted[1]):
            return f"{quoted[1]} holds no such part, or is of another kind: check the name"
        return _NOT_GIVEN if is_remote(name) else "the file does not exist: check the name"
    if is_remote(name) and is_remote(gone):
        return _NOT_GIVEN
    return f"the file {gone}, which it takes its values from, does not exist"


def _unknown(name: str) -> str:
    try:
        if os.path.isdir(name):
            return "it is a folder: name the file in it"
        if os.path.isfile(name) and os.path.getsize(name) == 0:
            return "the file is empty"
    except (OSError, ValueError):
        pass
    return "it cannot be read as a raster: it is damaged, or of a kind that GDAL does not know"


def _exists(path: str) -> bool:
    try:
        return os.path.exists(path)
    except ValueError:
        return False
