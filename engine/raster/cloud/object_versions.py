"""What servers tell of the versions of objects, by which a change between two looks can be noticed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

# How the libraries of the protocols call it.
_TAGS = ("etag", "content-md5", "digest", "md5hash", "generation", "versionid")
_TIMES = ("last-modified", "last_modified", "lastmodified", "updated", "mtime")


class ObjectVersion(NamedTuple):
    """What a server tells of an object: "" and None where it does not."""

    tag: str = ""
    modified: str = ""
    size: int | None = None

    @property
    def sure(self) -> bool:
        """Whether a change would be seen."""
        return bool(self.tag or self.modified)

    def differs(self, other: ObjectVersion) -> bool:
        """Return whether the two cannot be of the same bytes, by what is told in both."""
        return any(a and b and a != b for a, b in zip(self, other, strict=True))

    @property
    def moment(self) -> datetime | None:
        """The time that the server tells, in UTC."""
        for read in (parsedate_to_datetime, datetime.fromisoformat):
            try:
                when = read(self.modified)
                return when.astimezone(timezone.utc) if when.tzinfo else when.replace(tzinfo=timezone.utc)
            except (TypeError, ValueError, IndexError, OverflowError):
                continue
        return None


ABSENT = ObjectVersion("there is none")


def version_of(told: Mapping[str, Any], size: int | None = None) -> ObjectVersion:
    """Return the version that headers of HTTP, or what fsspec tells of an object, speak of."""
    known = {str(name).lower(): value for name, value in told.items() if value not in (None, "")}
    tags = [str(known[name]).removeprefix("W/") for name in _TAGS if name in known]
    times = [_text(known[name]) for name in _TIMES if name in known]
    given = known.get("size") if size is None else size
    return ObjectVersion("\n".join(tags), "".join(times[:1]), given if isinstance(given, int) else None)


def _text(when: Any) -> str:
    return when.isoformat() if isinstance(when, datetime) else str(when)
