"""What a file's header declares, held against what can be read: blocks, the file's own size, cells wanted."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.errors import InputError
from engine.files.sizes import size_text

LARGEST_BLOCK = 2**29  # bytes; GDAL decodes a block as a whole, however few of its cells are wanted
_EMPTY = 20_000  # bytes declared for one byte in the file: no compression of real values reaches it
_SMALL = 2**32  # bytes declared that do no harm
_WHOLE = {"GTiff", "COG", "VRT", "JP2OpenJPEG", "PNG", "HFA", "AAIGrid", "netCDF", "HDF5", "KEA", "PCIDSK"}
MOST_READ = 2**38  # cells of a raster under an output


def check_file(file: Any, what: str) -> None:
    """Refuse a raster whose blocks are too large to be read, or that is almost empty for its size.

    Args:
        file: a `rasterio.DatasetReader`.
        what: how sentences call it.

    Raises:
        InputError: it says what to do.
    """
    sizes = [np.dtype(_real(kind)).itemsize for kind in file.dtypes]
    together = file.count if str(file.profile.get("interleave", "")).lower() == "pixel" else 1
    for shape, size in zip(file.block_shapes, sizes, strict=True):
        check_block((*shape, together), size, what, "gdal_translate -co TILED=YES IN OUT")
    names = list(file.files)
    nested = any(str(name).lower().endswith(".vrt") for name in names[1:])  # whose own sources are not told
    if file.driver in _WHOLE and names and not nested and all(os.path.isfile(name) for name in names):
        check_held(file.width * file.height * sum(sizes), sum(map(os.path.getsize, names)), what)


def check_held(declared: int, held: int, what: str) -> None:
    """Refuse a raster that declares far more than its files can hold.

    Args:
        declared: bytes of all cells.
        held: bytes of the files.
        what: how sentences call the raster.

    Raises:
        InputError: names both sizes.
    """
    if declared > _SMALL and declared > _EMPTY * held:
        raise InputError(
            f"{what} declares {size_text(declared)} of cells in a file of {size_text(held)}, so almost none "
            f"of them is there: check the file, or cut out the part that is (gdal_translate -projwin)."
        )


def check_block(shape: Sequence[int], size: int, what: str, remedy: str) -> None:
    """Refuse blocks that are too large to be read one by one.

    Args:
        shape: of a block, in cells.
        size: of a cell in bytes.
        what: how sentences call the raster.
        remedy: the command that makes smaller ones.

    Raises:
        InputError: names the size of the blocks.
    """
    held = math.prod(int(n) for n in shape) * size
    if held > LARGEST_BLOCK:
        raise InputError(
            f"{what} is stored in blocks of {' × '.join(str(int(n)) for n in shape if n != 1)} cells, "
            f"{size_text(held)} each, which can be read only as a whole: store it in smaller ones first, for "
            f"instance with {remedy}."
        )


def _real(kind: str) -> str:
    return {"complex_int16": "int32", "complex_int32": "int64"}.get(kind, kind)
