"""Rasters that are results of MSR themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MADE_BY = ("MSR_MODEL", "MSR_METHOD")  # the first says more


def doubts_of_own_result(tags: Mapping[str, Any]) -> list[str]:
    """Return, as the end of a sentence, that a raster is a result of MSR; nothing of others.

    Args:
        tags: of the file, as GDAL or a NetCDF or Zarr has them.
    """
    for key in _MADE_BY:
        maker = tags.get(key) or tags.get(f"NC_GLOBAL#{key}")
        if maker:
            return [f"it is itself a result of MSR ({maker}), whose fine detail was made, not measured"]
    return []
