"""Writes a result as CF-NetCDF 4, strip by strip from the plain file that a run has filled."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np

from engine.raster.written.cf_layout import CfDataset
from engine.raster.written.strips import Strips, chunks_of, fill

_LEVEL = 1  # of zlib; higher ones take twice as long for a few percent


def write_netcdf(path: Path, made: CfDataset, strip: Strips) -> None:
    """Write the file.

    Args:
        path: of it.
        made: all of it but its cells.
        strip: its cells.

    Raises:
        OSError: the system refuses.
    """
    from netCDF4 import Dataset

    try:
        with Dataset(path, "w", format="NETCDF4") as file:
            _describe(file, made)
            file[made.variable].set_auto_mask(False)
            fill(file[made.variable], made, strip)
    except RuntimeError as error:  # HDF5 does not hand on the system's reason
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path)) from error


def _describe(file: Any, made: CfDataset) -> None:
    file.setncatts(made.further)
    for name, size in made.dimensions.items():
        file.createDimension(name, size)
    for name, own in made.coordinates.items():
        for dimension, size in zip(own.dimensions, own.values.shape, strict=True):
            if dimension not in file.dimensions:
                file.createDimension(dimension, size)
        variable = file.createVariable(name, own.values.dtype, own.dimensions)
        variable.setncatts(dict(own.attributes))
        variable[...] = own.values
    variable = file.createVariable(
        made.variable,
        "f4",
        tuple(made.dimensions),
        compression="zlib",
        complevel=_LEVEL,
        shuffle=True,
        chunksizes=chunks_of(made),
        fill_value=np.float32(np.nan),
    )
    variable.setncatts(made.attributes)
