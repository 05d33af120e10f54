"""What a raster's file refers to: a VRT's sources and code, a service's address. Rasters stay closed."""

from __future__ import annotations

import html
import os
import re
import stat
from pathlib import Path

from engine.errors import InputError
from engine.raster.cf.store_contents import check_store, is_store
from engine.raster.cloud.told_address import told
from engine.raster.hdf5.outside import check_within

_REMOTE = re.compile(
    r"/vsi(?:curl|s3|gs|az|adls|oss|swift|webhdfs|hdfs|kerchunk)"
    r"|(?<![a-z0-9+.])(?!(?:file|vrt|zip|tar|gzip)://)[a-z][a-z0-9+]+://"
    r"|^\s*(?:WMS|WMTS|WCS|OGCAPI|NGW|EEDAI?|DAAS|PLMosaic|PLScenes|STACTA|STACIT|HTTP|PG|MySQL|MSSQL|MongoDBv?3?"
    r"|Carto|AmigoCloud|ES|CSW|WFS3?|OAPIF|GFT)\s*:(?![\\/])",
    re.IGNORECASE,
)
_SERVICE = re.compile(
    r"<(?:GDAL_WMS|WMT?S?_?(?:MS_)?Capabilities|WCS_GDAL|GDAL_WMTS|OGCAPI\w*|GDALTileIndexDataset|Capabilities|kml)\b"
    r'|"(?:stac_version|stac_extensions|tileMatrixSet\w*|links|refs)"\s*:',
    re.IGNORECASE,
)
_NAMES = re.compile(r"<(SourceFilename|SourceDataset)\b[^>]*>(.*?)</\1\s*>", re.IGNORECASE | re.DOTALL)
_OVERVIEW = re.compile(r"<MDI\s[^>]*\bkey\s*=\s*[\"']OVERVIEW_FILE[\"'][^>]*>(.*?)</MDI", re.I | re.DOTALL)
_CODE = re.compile(r"<PixelFunctionLanguage\b[^>]*>\s*Python|<PixelFunctionCode\b", re.IGNORECASE)
_CACHED = re.compile(r"<CachedSource\b", re.IGNORECASE)
_ADDRESS = re.compile(r"(?:/vsi[a-z0-9_]+[/?]|[a-z][a-z0-9+.]+://)[^\s<>\"']*", re.IGNORECASE)
_XMLNS = re.compile(
    r"\bxmlns(?::\w+)?\s*=\s*(\"[^\"]*\"|'[^']*')|\bxsi:schemaLocation\s*=\s*(\"[^\"]*\"|'[^']*')"
)
_INNER = re.compile(
    r"^(?:vrt://|NETCDF:|HDF5:|ZARR:|GTIFF_DIR:\d+:|GTIFF_RAW:|DERIVED_SUBDATASET:\w+:)(.*)$", re.I | re.S
)
_LONGEST = 64 * 2**20  # of a text that names rasters
_DEEPEST = 12  # VRTs of VRTs


def is_remote(path: str) -> bool:
    """Return whether a raster's name is itself an address or leads to a server."""
    return bool(_REMOTE.search(path))


def check_references(path: str, label: str) -> list[str]:
    """Refuse a raster whose file leads to a server, to code or out of an HDF5 file, directly or by others.

    What the user's own name leads to is the user's choice; what a file names is not.

    Args:
        path: a file, or one of GDAL's names.
        label: how sentences call it.

    Returns:
        The names that lead to no local file, such as those of parts of archives: GDAL alone sees these.

    Raises:
        InputError: naming the file and what it refers to; or it is no regular file.
    """
    check = _Check(label, is_remote(path))
    check.name(path, None, 0)
    return check.hidden


def check_text(text: str, path: str, label: str) -> list[str]:
    """Do as `check_references` for a VRT's text that GDAL has read from `path`."""
    check = _Check(label, is_remote(path))
    check.text(text, path, None, 0)
    return check.hidden


class _Check:
    def __init__(self, label: str, remote: bool) -> None:
        self.label, self.remote = label, remote
        self.seen: set[str] = set()
        self.hidden: list[str] = []

    def name(self, name: str, beside: Path | None, depth: int, where: str = "the text given") -> None:
        """Follow a name; `beside` is the folder of the file that gives it, None for the user's own."""
        if name.lstrip().startswith("<"):
            self.text(name, where, beside, depth)
            return
        whole = name
        if match := _INNER.match(name):
            inner = match[1].partition("?")[0] if name[:3].lower() == "vrt" else match[1]
            quoted = re.match(r'"([^"]*)"', inner)
            name = (
                quoted[1] if quoted else inner if os.path.exists(inner) else inner.rpartition(":")[0] or inner
            )
        name = name.removeprefix("file://")
        if name.startswith("/vsistdin"):
            raise InputError(f"{self.label}: {told(name)} is no file: give the path of a raster.")
        # Relative names in a VRT start from it or from the working folder, as each says.
        places = {Path(name): None, (beside or Path()) / name: None}
        if not any([self.place(path, depth) for path in places]) and (beside is None or "/vsi" in whole):
            self.hidden.append(whole)

    def place(self, path: Path, depth: int) -> bool:
        """Look at a local path; return whether something is there."""
        real = os.path.realpath(path)
        if real in self.seen:
            return True
        try:
            kind = os.stat(real).st_mode
        except (OSError, ValueError):
            return False  # one of GDAL's names, or not there: GDAL says so
        self.seen.add(real)
        if stat.S_ISDIR(kind):
            if is_store(real):
                check_store(real, f"{self.label}: {path}")
        elif not stat.S_ISREG(kind):
            raise InputError(f"{self.label}: {path} is no regular file: give the path of a raster.")
        else:
            self.file(path, depth)
        return True

    def file(self, path: Path, depth: int) -> None:
        try:
            check_within(path, f"{self.label}: {path}")
            with path.open("rb") as stream:
                start = stream.read(1024)
                lead = start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
                if lead not in (b"<", b"{"):
                    return
                text = (start + stream.read(_LONGEST)).decode("utf-8", "replace")
        except OSError:
            return  # GDAL says so
        self.text(text, str(path), path.parent, depth)

    def text(self, text: str, where: str, beside: Path | None, depth: int) -> None:
        if depth > _DEEPEST:
            raise InputError(
                f"{self.label}: {told(where)} names rasters that name others too many times over."
            )
        if _CODE.search(text):
            raise InputError(
                f"{self.label}: {told(where)} holds Python code of its own, which is not run: write its "
                "result as a GeoTIFF first."
            )
        if _SERVICE.search(text[:4096]):
            self._refuse(where, self._first(_XMLNS.sub("", text)) or "other rasters by an index")
        if _CACHED.search(text):
            self._refuse(where, self._first(text) or "another raster that it keeps a copy of")
        for name in [*(match[2] for match in _NAMES.finditer(text)), *_OVERVIEW.findall(text)]:
            plain = html.unescape(re.sub(r"<!--.*?-->|<!\[CDATA\[|\]\]>", "", name, flags=re.DOTALL)).strip()
            if not plain.startswith("<") and is_remote(plain) and not self.remote:
                self._refuse(where, plain)
            self.name(plain, beside, depth + 1, where)

    def _refuse(self, where: str, what: str) -> None:
        what = told(what)
        what = what if len(what) <= 200 else what[:199] + "…"
        raise InputError(
            f"{self.label}: {told(where)} refers to {what}; only an address that you give yourself is "
            "opened, so give that, or save a copy of it as a GeoTIFF."
        )

    @staticmethod
    def _first(text: str) -> str | None:
        match = _ADDRESS.search(html.unescape(text))
        return match[0] if match else None
