"""What may be told of an address: never what gives access to it."""

from __future__ import annotations

import os
import re
from urllib.parse import parse_qsl, unquote, urlsplit

HIDDEN = "…"
_SCHEMES = r"(?:https?|ftps?|s3a?|gc?s|abfss?|az|adls?|oss|swift|webhdfs|hdfs)"
_ADDRESS = re.compile(rf"(?<![a-z0-9+.-])({_SCHEMES}://)", re.IGNORECASE)
_IN_TEXT = re.compile(rf"(?<![a-z0-9+.-])({_SCHEMES}://)([^\s\"'<>|]+)", re.IGNORECASE)
# User and password of any other protocol's address, and what a database's name says as `password=…`.
_LOGIN = re.compile(r"(?<![a-z0-9+.-])([a-z][a-z0-9+.-]*://)[^\s/\"'<>|]*@", re.IGNORECASE)
_DATABASE = re.compile(r"^\s*(?:PG|MySQL|MSSQL|MongoDBv?3?|OCI|GeoRaster|ODBC|HANA|IDB|WALK):", re.IGNORECASE)
_SAID = re.compile(
    r"\b((?:user|uid|pass|pwd|token|key|secret)\w*\s*=\s*)('[^']*'|\"[^\"]*\"|[^\s;,|]+)", re.IGNORECASE
)
_GDAL_OPTIONS = re.compile(r"(/vsi[a-z0-9_]+)\?[^\s\"'<>]*", re.IGNORECASE)
_AFTER = re.compile(r"[.,:;)\]}]*$")  # of a sentence, behind an address in it
# Options of GDAL's names vrt://…, which choose bands and cells.
_OF_VRT = re.compile(
    r"(?:bands|a_srs|a_ullr|a_scale|a_offset|a_nodata|ovr|expand|o[t]|gcp|if|scale|exponent|outsize|projwin|"
    r"projwin_srs|tr|r|srcwin|a_gt|oo|unscale|a_coord_epoch|nogcp|epo|eco|sd|sd_name|block|transpose)=",
    re.IGNORECASE,
)
_SECRET_VARIABLE = re.compile(
    r"SECRET|TOKEN|PASSW|USERPWD|BEARER|_KEY(?:_ID)?$|HEADERS|CREDENTIAL|SIGNATURE|CONNECTION_STRING|COOKIE|_SAS$"
    r"|^FSSPEC_|_PROXY$",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[^\s\"'{}\[\],;:=]+={0,2}")  # of what a variable holds
_LIKE_A_SECRET = re.compile(r"(?=.*\d)[^\s/@]{8,}$|[^\s/@]{20,}$")  # of these words
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
    if _DATABASE.match(name):
        return _SAID.sub(rf"\1{HIDDEN}", name)
    name = _GDAL_OPTIONS.sub(_options, name)
    match = _ADDRESS.search(name)
    if match is None:
        return _LOGIN.sub(r"\1", name)
    before, rest, after = name[: match.start()], name[match.end() :], ""
    if before.endswith('"'):  # as in NETCDF:"https://…":tas
        rest, mark, after = rest.partition('"')
        after = mark + after
    elif before.lower().startswith("vrt://"):
        inner, mark, options = rest.rpartition("?")
        if mark and _OF_VRT.match(options):
            rest, after = inner, mark + options
    return _LOGIN.sub(r"\1", before + match[1] + _without_secrets(rest) + after)


def redacted(text: str) -> str:
    """Return a text in which each address is as `told` tells it."""
    return _LOGIN.sub(r"\1", _IN_TEXT.sub(_clean, _GDAL_OPTIONS.sub(_options, text)))


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
    there = {secret for name in os.environ if _SECRET_VARIABLE.search(name) for secret in _secrets_of(name)}
    text = redacted(detail)
    for secret in sorted(_known | there, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def _secrets_of(variable: str) -> set[str]:
    """Return what a variable of the environment holds, and the words in it that look like secrets."""
    held = os.environ[variable]
    login = held.rpartition("@")[0].rpartition("/")[2] if "://" in held else ""
    logins = {login, *login.split(":")} if "@" in held else set()
    if variable.upper().endswith("_PROXY"):
        return {each for each in logins if len(each) >= _SHORTEST}
    words = {word for word in _WORDS.findall(held) if _LIKE_A_SECRET.match(word)}
    return {each for each in {held, *words, *logins} if len(each) >= _SHORTEST}


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
