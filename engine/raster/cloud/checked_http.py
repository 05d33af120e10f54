"""HTTP by fsspec, but that an answer which is not what was asked for is never taken for it.

fsspec takes the whole of an object for a piece of it where a server ignores that a piece was asked for: the
cells would be others, without a word.
"""

from __future__ import annotations

import re
from typing import Any

from fsspec.implementations.http import HTTPFileSystem

from engine.raster.cloud.fetch_error import NO_PIECES, FetchError, status_error


class CheckedHttp(HTTPFileSystem):
    """Fetches objects and pieces of them."""

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
            FetchError: the server does not give it.
        """
        asked = {**self.kwargs, **kwargs}
        headers = dict(asked.pop("headers", {}))
        if start is not None:
            last = "" if end is None else str(end - 1)
            headers["Range"] = f"bytes={start}-{last}" if start >= 0 else f"bytes={start}"
        session = await self.set_session()
        async with session.get(self.encode_url(url), headers=headers, **asked) as answer:
            if answer.status in (404, 410):
                raise FileNotFoundError(url)
            if answer.status not in (200, 206):
                raise status_error(answer.status)
            if start is not None and (answer.status != 206 or not _begins(answer.headers, start)):
                raise FetchError(NO_PIECES)
            body: bytes = await answer.read()
        return body


def _begins(headers: Any, start: int) -> bool:
    """Return whether an answer says that it begins where it should."""
    match = re.match(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("Content-Range", ""))
    return match is not None and (start < 0 or int(match[1]) == start)
