"""Time zones behind a time of day: -6:00, +01, UTC, and names that say no offset."""

from __future__ import annotations

import re

# Behind a time of day, or behind a day and a blank, as UDUNITS reads "days since 1990-1-1 -6:00".
_BEHIND = re.compile(
    r"(?P<start>.*?(?:\d{1,2}:\d{1,2}(?::\d{1,2}(?:\.\d*)?)?|T\d{2}|^\s*-?\d+-\d{1,2}-\d{1,2}(?=\s)))"
    r"\s*(?P<zone>[A-Za-z(+−-].*?)\s*"
)
_OFFSET = re.compile(r"(?:UTC|GMT)?\s*(?P<sign>[-+−])(?P<hours>\d{1,2})(?::?(?P<minutes>[0-5]\d))?(?::?00)?")
_FARTHEST = 14  # hours that a zone is ahead of UTC, or behind it


def without_zone(text: str) -> tuple[str, int | None]:
    """Take the zone off a date and time.

    Returns:
        The text before it, and how many minutes its clocks are ahead of UTC: 0 where it names no zone, None
        where the zone's name does not tell (EST, local time).
    """
    match = _BEHIND.fullmatch(text)
    if match is None:
        return text, 0
    return match["start"], _ahead(match["zone"].strip("()"))


def _ahead(zone: str) -> int | None:
    if zone.upper() in ("Z", "UTC", "GMT", "UT"):
        return 0
    offset = _OFFSET.fullmatch(zone.upper())
    if offset is None or int(offset["hours"]) > _FARTHEST:
        return None
    minutes = int(offset["hours"]) * 60 + int(offset["minutes"] or 0)
    return minutes if offset["sign"] == "+" else -minutes
