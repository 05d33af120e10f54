"""HTTP by fsspec, but that an answer which is not what was asked for is never taken for it.

fsspec takes the whole of an object for a piece of it where a server ignores that a piece was asked for: the
cells would be others, without a word. Nor does it see that an object became another one between two pieces.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from typing import Any

from aiohttp import ClientTimeout
from fsspec.asyn import sync
from fsspec.implementations.http import HTTPFileSystem

from engine.raster.cloud import fetch_error
from engine.raster.cloud.fetch_error import CHANGED, LARGE, NO_PIECES, SLOW, FetchError, status_error
from engine.raster.cloud.object_versions import ABSENT, ObjectVersion, version_of

_PIECE = 2**18  # bytes that are read at once
_LOOK_SECONDS, _LEAST = 60.0, 2**16  # in which so many bytes must come
_ASK_SECONDS = 20.0  # for what is told of a version
_SEEN = 2**16  # objects whose versions are kept
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class CheckedHttp(HTTPFileSystem):
    """Fetches objects and pieces of them, each object always in the version in which it was first seen."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._versions: OrderedDict[str, ObjectVersion] = OrderedDict()

    async def _cat_file(
        self, url: str, start: int | None = None, end: int | None = None, **kwargs: Any
    ) -> bytes:
        """Return an object's bytes, or those of a piece.

        Args:
            url: its address.
            start: first byte; below zero: so many at the end.
            end: behind the last byte.

        Raises:
            FileNotFoundError: there is no such object.
            FetchError: the server does not give it, or it has become another one.
        """
        asked = {**self.kwargs, **kwargs}
        headers = dict(asked.pop("headers", {}))
        if start is not None:
            last = "" if end is None else str(end - 1)
            headers["Range"] = f"bytes={start}-{last}" if start >= 0 else f"bytes={start}"
        session = await self.set_session()
        async with session.get(self.encode_url(url), headers=headers, **asked) as answer:
            if answer.status in (404, 410):
                if url in self._versions:
                    raise FetchError(CHANGED)
                raise FileNotFoundError(url)
            if answer.status not in (200, 206):
                raise status_error(answer.status)
            if start is not None and (answer.status != 206 or not _begins(answer.headers, start)):
                raise FetchError(NO_PIECES)
            self._compare(url, _version(answer))
            return await _body(answer)

    def _compare(self, url: str, version: ObjectVersion) -> None:
        """Refuse what is another version than before.

        Raises:
            FetchError: it is.
        """
        before = self._versions.setdefault(url, version)
        if before.differs(version):
            raise FetchError(CHANGED)
        while len(self._versions) > _SEEN:
            self._versions.popitem(last=False)

    def version(self, url: str) -> ObjectVersion | None:
        """Return what the server tells now of an object, None where it does not answer.

        Raises:
            FetchError: the object has become another one than it was when it was read.
        """
        told: ObjectVersion | None = sync(self.loop, self._version_now, url)
        before = self._versions.get(url)
        if before is not None and told is not None and (told == ABSENT or before.differs(told)):
            raise FetchError(CHANGED)
        return told

    async def _version_now(self, url: str) -> ObjectVersion | None:
        session = await self.set_session()
        asked = {**self.kwargs, "allow_redirects": True, "timeout": ClientTimeout(_ASK_SECONDS)}
        headers = dict(asked.pop("headers", {}))
        # Signed addresses often allow GET alone: then its first byte is asked for.
        for ask, more in ((session.head, {}), (session.get, {"Range": "bytes=0-0"})):
            async with ask(self.encode_url(url), headers={**headers, **more}, **asked) as answer:
                if answer.status in (404, 410):
                    return ABSENT
                if answer.status in (200, 206):
                    return _version(answer)
        return None


async def _body(answer: Any) -> bytes:
    """Return all bytes of an answer.

    Raises:
        FetchError: there are too many, or they come too slowly.
    """
    pieces: list[bytes] = []
    size, looked, then = 0, time.monotonic(), 0
    async for piece in answer.content.iter_chunked(_PIECE):
        pieces.append(piece)
        size += len(piece)
        if size > fetch_error.LARGEST:
            raise FetchError(LARGE)
        if (now := time.monotonic()) - looked > _LOOK_SECONDS:
            if size - then < _LEAST:
                raise FetchError(SLOW)
            looked, then = now, size
    return b"".join(pieces)


def _version(answer: Any) -> ObjectVersion:
    """Return the version of the object that an answer is of, or of whose piece it is."""
    whole = _RANGE.match(answer.headers.get("Content-Range", ""))
    told = whole[2] if whole else "" if answer.status == 206 else answer.headers.get("Content-Length", "")
    return version_of(answer.headers, int(told) if told.isdecimal() else None)


def _begins(headers: Any, start: int) -> bool:
    """Return whether an answer says that it begins where it should."""
    match = _RANGE.match(headers.get("Content-Range", ""))
    return match is not None and (start < 0 or int(match[1]) == start)
