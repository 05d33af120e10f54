"""What tells whether a raster on servers has changed: what they say of some of its objects."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from engine.errors import EngineError
from engine.files.file_facts import Facts
from engine.raster.cloud.told_address import is_address
from engine.raster.cloud.transport import Transport, plain_address

LOOKED_AT = 32  # objects of a raster
_AT_ONCE = 8  # questions to a server
_VSI = re.compile(r"^/vsi(curl|s3|gs|az|oss)(?:_streaming)?/(.*)$", re.DOTALL)


def server_facts(transport: Transport, addresses: Sequence[str]) -> Facts | None:
    """Ask servers for the versions of objects, and return what is to be the same of them later.

    Args:
        transport: that reads them.
        addresses: of objects, each as the transport takes them.

    Returns:
        `bytes` of all, `objects`, how many, where there are several, `modified`, when the newest was, as far
        as that is told, and `digest` of all that is told, where it says of each object whether it is another
        one. None where nothing is told.

    Raises:
        FetchError: an object has become another one since it was read.
        EngineError: a package is missing.
    """
    first = transport.version(addresses[0]) if addresses else None
    if first is None:  # the others would take as long to say nothing
        return None
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        told = [first, *pool.map(transport.version, addresses[1:])]
    known = [each for each in told if each is not None]
    facts: Facts = {}
    if any(each.size is not None for each in known):
        facts["bytes"] = sum(each.size or 0 for each in known)
    if len(addresses) > 1:
        facts["objects"] = len(addresses)
    if times := [when for each in known if (when := each.moment) is not None]:
        facts["modified"] = max(times).isoformat(timespec="seconds")
    if len(known) == len(told) and all(each.sure for each in known):
        lines = (f"{address}\0{tuple(each)}" for address, each in zip(addresses, known, strict=True))
        facts["digest"] = hashlib.sha256("\0".join(lines).encode("utf-8", "replace")).hexdigest()[:32]
    return facts if {"bytes", "digest", "modified"} & set(facts) else None


def facts_by_name(name: str, files: Sequence[str]) -> Facts | None:
    """Return the `server_facts` of a raster that GDAL reads; None also where the packages are not there.

    Args:
        name: the raster's, with what gives access to it.
        files: GDAL's names of what it is read from.
    """
    own = next(filter(None, map(_address, (name, *files))), None)
    if own is None:
        return None
    others = {plain_address(address) for each in files if (address := _address(each)) is not None}
    plain = [plain_address(own), *sorted(others - {plain_address(own)})]
    try:
        return server_facts(Transport(own), [plain[i] for i in spread(len(plain))])
    except EngineError:
        return None


def spread(count: int, most: int = LOOKED_AT) -> list[int]:
    """Return so many numbers below `count` that lie evenly, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return [(count - 1) * i // (most - 1) for i in range(most)]


def _address(name: str) -> str | None:
    """Return the address that one of GDAL's names means, None of another name."""
    if match := _VSI.match(name):
        name = match[2] if match[1] == "curl" else f"{match[1]}://{match[2]}"
    return name if is_address(name) else None
