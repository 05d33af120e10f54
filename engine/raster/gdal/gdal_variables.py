"""Environment variables that must not reach GDAL and PROJ, for every process that uses them."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

# Drivers that answer from a server, or that gather rasters which a file names elsewhere.
SERVICES = (
    *("WMS", "WMTS", "WCS", "HTTP", "OGCAPI", "NGW", "EEDA", "EEDAI", "DAAS", "PLMOSAIC", "PLSCENES"),
    *("STACTA", "STACIT", "GTI", "KMLSUPEROVERLAY", "Rasterlite"),
)
_SCRUBBED = ("GDAL_", "OGR_", "CPL_", "VSI_", "VRT_", "GRIB_", "GTIFF_", "PROJ_", "PYTHONSO")
_KEPT = (  # how much memory, and how to reach a server that the user names
    *("GDAL_CACHEMAX", "GDAL_HTTP_PROXY", "GDAL_HTTPS_PROXY", "GDAL_HTTP_PROXYUSERPWD", "GDAL_PROXY_AUTH"),
    *("GDAL_HTTP_HEADERS", "GDAL_HTTP_BEARER", "GDAL_HTTP_USERPWD", "GDAL_HTTP_AUTH", "GDAL_HTTP_NETRC"),
    *("GDAL_HTTP_TIMEOUT", "GDAL_HTTP_CONNECTTIMEOUT"),
)
_set_aside: dict[str, str] = {}


def scrub(variables: MutableMapping[str, str] = os.environ) -> None:
    """Remove what loosens GDAL's options from a process's environment, and leave out the services' drivers.

    To be called before GDAL is first used: it reads the drivers to leave out once.
    """
    for name in list(variables):
        if name.upper().startswith(_SCRUBBED) and name.upper() not in _KEPT:
            _set_aside[name] = variables.pop(name)
    variables["GDAL_SKIP"] = ",".join(SERVICES)
    variables.setdefault("GDAL_CACHEMAX", "128")  # GDAL would take a share of the machine's memory


def set_aside() -> dict[str, str]:
    """Return what `scrub` has removed in this process: values by name."""
    return dict(_set_aside)
