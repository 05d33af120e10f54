"""How a caller names a raster, and the grid that the output is wanted on."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from engine.errors import InputError
from engine.raster.cloud.told_address import remember, told

KINDS = ("continuous", "class", "angle")  # of a source, as a user may say


@dataclass(frozen=True)
class RasterRef:
    """A raster that the user names, and what the user says of it in place of the file.

    A path, `f.nc:t2m` for a variable of it, GDAL's name for one, such as NETCDF:"f.nc":t2m, or an address. Of
    an address `path` holds what may be told alone: user, password and a query stay in `address`.
    """

    path: str
    band: int | None = None  # 1-based; None: the band that the date picks, else the first
    crs: str | None = None  # the user's, for a file that says none
    units: str | None = None  # the user's, in place of the file's
    nodata: float | None = None  # a number that is missing, beside those that the file names
    scale: float | None = None  # value = number in the file · scale + offset, in place of the file's own
    offset: float | None = None
    kind: str | None = None  # continuous, class or angle; the user's, for methods that take any raster
    address: str = field(default="", repr=False)  # what is opened; of what is no address the same as `path`

    def __post_init__(self) -> None:
        short = told(self.path)
        if short != self.path:
            remember(self.path)
            object.__setattr__(self, "address", self.path)
            object.__setattr__(self, "path", short)
        elif not self.address or told(self.address) != short:  # or `path` was replaced since
            object.__setattr__(self, "address", self.path)

    @property
    def secret(self) -> bool:
        """Whether its address holds what must not be told."""
        return self.address != self.path

    @property
    def plain(self) -> bool:
        """Whether it is opened as a GeoTIFF alone, with nothing beside it."""
        return False

    @classmethod
    def parse(cls, text: str) -> RasterRef:
        """Read `RASTER` or `RASTER#BAND` (1-based).

        Raises:
            InputError: what follows `#` at the end is a number below 1.
        """
        path, mark, band = text.rpartition("#")
        if not mark or not re.fullmatch(r"-?[0-9]{1,9}", band):
            return cls(text)
        if int(band) < 1:
            raise InputError(f"Band {band} of {path} does not exist: bands are counted from 1.")
        return cls(path, int(band))


class ShippedRaster(RasterRef):
    """A raster that a model package brings: nobody has looked at it, so nothing but its cells is read."""

    @property
    def plain(self) -> bool:
        """It is."""
        return True


@dataclass(frozen=True)
class GridRequest:
    """An output grid other than the target's own: a reference raster, or CRS + resolution + extent."""

    like: str | None = field(default=None, repr=False)  # perhaps an address, with what gives access to it
    crs: str | None = None
    resolution: float | tuple[float, float] | None = None  # CRS units; (x, y)
    extent: tuple[float, float, float, float] | None = None  # xmin, ymin, xmax, ymax in crs


def in_full(data: Any) -> Any:
    """Return a request as plain data that can be read again: rasters by their addresses."""
    if isinstance(data, dict):
        kept = {key: in_full(value) for key, value in data.items() if key != "address"}
        return {**kept, "path": data["address"]} if "address" in data else kept
    return [in_full(value) for value in data] if isinstance(data, list) else data
