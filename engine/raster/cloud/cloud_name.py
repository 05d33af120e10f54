"""Which names mean a Zarr store on a server, or references to pieces of other files."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from engine.raster.cloud.told_address import is_address

_STORE = re.compile(r"\.zarr(?:[-_.]?v\d)?/*$", re.IGNORECASE)
_REFERENCES = re.compile(r"\.(?:json|parq|parquet)/*$", re.IGNORECASE)
_OF_GDAL = re.compile(r'^ZARR:"(?P<address>[^"]+)"(?::/*(?P<variable>[^:]+))?$', re.IGNORECASE)
_VARIABLE = re.compile(
    r"^(?P<path>.+?\.(?:zarr(?:[-_.]?v\d)?|json|parq|parquet)/*):(?P<variable>[^:]+)$", re.I
)
_START = 2**16  # bytes in which a file of references shows what it is


@dataclass(frozen=True)
class CloudName:
    """A store or references, and the variable in them that is meant.

    Attributes:
        kind: `store`, or how references are kept: `json` or `parquet`.
        address: with what gives access to it; references may be a file here.
        variable: None: the only one.
    """

    kind: Literal["store", "json", "parquet"]
    address: str = field(repr=False)
    variable: str | None


def cloud_name(name: str) -> CloudName | None:
    """Return what a name means, None where it is none of these: a file, or one of GDAL's names.

    `https://host/rain.zarr:tp?token=…`: the variable comes before a query.
    """
    if match := _OF_GDAL.match(name):
        address = match["address"]
        return CloudName("store", address, match["variable"]) if is_address(address) else None
    # A folder here may be called so, too.
    remote = is_address(name) and not any(map(os.path.exists, (name, name.rpartition(":")[0])))
    path, mark, query = name.partition("?") if remote else (name, "", "")
    variable = None
    if (remote or not os.path.exists(path)) and (match := _VARIABLE.match(path)):
        path, variable = match["path"], match["variable"].strip("/")
    if remote:
        address = path.rstrip("/") + mark + query
        if not _can_be_parsed(address):
            return None
        if _STORE.search(path):
            return CloudName("store", address, variable)
        if not _REFERENCES.search(path):
            return None
        return CloudName(
            "json" if path.rstrip("/").lower().endswith(".json") else "parquet", address, variable
        )
    if os.path.isdir(path) and _are_parquet(path):
        return CloudName("parquet", path, variable)
    return CloudName("json", path, variable) if _are_json(path) else None


def _can_be_parsed(address: str) -> bool:
    try:
        urlsplit(address)
    except ValueError:  # of what looks like an IPv6 host and is none
        return False
    return True


def _are_parquet(folder: str) -> bool:
    """Return whether a folder here holds references as kerchunk keeps many: in tables."""
    try:
        told = json.loads(Path(folder, ".zmetadata").read_bytes())
        return isinstance(told, dict) and "record_size" in told
    except (OSError, ValueError, RecursionError):
        return False


def _are_json(path: str) -> bool:
    """Return whether a file here holds references as JSON."""
    if not path.lower().endswith(".json") or not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            start = file.read(_START)
    except OSError:
        return False
    return any(word in start for word in (b'"refs"', b'".zgroup"', b'".zmetadata"', b'"zarr.json"'))
