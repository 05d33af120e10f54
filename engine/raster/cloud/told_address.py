"""What may be told of an address: never what gives access to it."""

from __future__ import annotations

import os
import re
from urllib.parse import parse_qsl, unquote, urlsplit

HIDDEN = "…"
_SCHEMES = r"(?:https?|ftps?|s3a?|gc?s|abfss?|az|adls?|oss|swift|webhdfs|hdfs)"
_ADDRESS = re.compile(rf"(?<![a-z0-9+.-])({_SCHEMES}://)", re.IGNORECASE)
_IN_TEXT = re.compile(rf"(?<![a-z0-9+.-])({_SCHEMES}://)([^\s\"'<>|]+)", re.IGNORECASE)
_GDAL_OPTIONS = re.compile(r"(/vsi[a-z0-9_]+)\?[^\s\"'<>]*", re.IGNORECASE)
_AFTER = re.compile(r"[.,:;)\]}]*$")  # of a sentence, behind an address in it
# Options of GDAL's names vrt://…, which choose bands and cells.
_OF_VRT = re.compile(
    r"(?:bands|a_srs|a_ullr|a_scale|a_offset|a_nodata|ovr|expand|o[t]|gcp|if|scale|exponent|outsize|projwin|"
    r"projwin_srs|tr|r|srcwin|a_gt|oo|unscale|a_coord_epoch|nogcp|epo|eco|sd|sd_name|block|transpose)=",
    re.IGNORECASE,
)
_SECRET_VARIABLE = re.compile(
    r"SECRET|TOKEN|PASSW|USERPWD|BEARER|_KEY(?:_ID)?$|HEADERS|CREDENTIAL|SIGNATURE|^FSSPEC_", re.IGNORECASE
)
_SHORTEST = 4  # signs of a secret that is looked for in texts
_known: set[str] = set()


def is_address(name: str) -> bool:
    """Return whether a name itself is an address on a server."""
    match = _ADDRESS.match(name)
    return match is not None


def told(name: str) -> str:
    """Return a raster's name without what gives access: user and password, a query, options of /vsicurl?…"""
    if name.lstrip().startswith("<"):  # a VRT as text
        return redacted(name)
    name = _GDAL_OPTIONS.sub(_options, name)
    match = _ADDRESS.search(name)
    if match is None:
        return name
    before, rest, after = name[: match.start()], name[match.end() :], ""
    if before.endswith('"'):  # as in NETCDF:"https://…":tas
        rest, mark, after = rest.partition('"')
        after = mark + after
    elif before.lower().startswith("vrt://"):
        inner, mark, options = rest.rpartition("?")
        if mark and _OF_VRT.match(options):
            rest, after = inner, mark + options
    return before + match[1] + _without_secrets(rest) + after


def redacted(text: str) -> str:
    """Return a text in which each address is as `told` tells it."""
    return _IN_TEXT.sub(_clean, _GDAL_OPTIONS.sub(_options, text))


def _clean(match: re.Match[str]) -> str:
    after = _AFTER.search(match[2])
    end = after.start() if after else len(match[2])
    return match[1] + _without_secrets(match[2][:end]) + match[2][end:]


def _options(match: re.Match[str]) -> str:
    """Return GDAL's /vsicurl?… with the address in it, but none of its options."""
    url = re.search(r"url=([^&]*)", match[0])
    address = unquote(url[1]) if url else ""
    shown = f"url={_IN_TEXT.sub(_clean, address)}" if is_address(address) else ""
    return f"{match[1]}?{HIDDEN}{shown}"


def remember(address: str) -> None:
    """Keep in mind what of an address must not stand in a traceback, which may quote a part of it."""
    try:
        parts = urlsplit(address[max(0, _start(address)) :])
    except ValueError:  # of what looks like an IPv6 host and is none
        return
    pieces = {parts.query, parts.username or "", parts.password or "", parts.netloc.rpartition("@")[0]}
    pieces |= {value for _, value in parse_qsl(parts.query)} | {
        piece.partition("=")[2] for piece in parts.query.split("&")
    }
    _known.update(each for piece in pieces for each in (piece, unquote(piece)) if len(each) >= _SHORTEST)


def scrubbed(detail: str) -> str:
    """Return a traceback or a command line without secrets, of addresses and of the environment."""
    told_there = {
        v for name, v in os.environ.items() if _SECRET_VARIABLE.search(name) and len(v) >= _SHORTEST
    }
    text = redacted(detail)
    for secret in sorted(_known | told_there, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def _start(name: str) -> int:
    match = _ADDRESS.search(name)
    return match.start() if match else 0


def _without_secrets(rest: str) -> str:
    """Return what follows a scheme without user, password, query and fragment."""
    cut = re.search(r"[?#]", rest)
    path = rest[: cut.start()] if cut else rest
    end = f"{cut[0]}{HIDDEN}" if cut else ""
    host = path.partition("/")[0]
    if "@" in host:
        path = path[host.rindex("@") + 1 :]
    elif re.search(r":(?!\d*$)", host) and "@" in path:  # a password with a slash, which should be %2F
        path = path[path.rindex("@") + 1 :]
    return path + end
