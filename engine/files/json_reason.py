"""Why a text is no JSON, in words."""

from __future__ import annotations

import json


def json_reason(error: ValueError | RecursionError) -> str:
    """Return why a JSON file cannot be read, as the end of a sentence; own words of a reader's hooks stay."""
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno} breaks off, or holds a sign that does not belong there"
    if isinstance(error, UnicodeError):
        return "it is no UTF-8 text"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if "integer string conversion" in str(error):
        return "a number in it has thousands of digits"
    return str(error)
