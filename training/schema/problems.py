"""What is wrong with a configuration, in one sentence that names the key as it stands in the YAML file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from engine.commands.options import nearest
from engine.commands.sentences import shown
from training.schema.base import Section

_PATTERNS = {
    r"^[a-z][a-z0-9]*$": "must be small letters and digits, a letter first",
    r"^[a-z][a-z0-9_]*$": "must be small letters, digits and _, a letter first",
    r"^\d+\.\d+\.\d+$": "must be three numbers such as 1.0.0",
    r"^[0-9a-f]{64}$": "must be 64 hexadecimal digits",
}
_KINDS = {
    "int": "must be a whole number",
    "float": "must be a number",
    "finite_number": "must be a finite number",
    "decimal": "must be a number",
    "bool": "must be true or false",
    "string": "must be text; put it in quotes",
    "list": "must be a list",
    "tuple": "must be a list",
    "sequence": "must be a list",
    "is_instance_of": "must be a list",
    "set": "must be a list",
    "dict": "must be keys with values",
    "mapping": "must be keys with values",
    "model": "must be keys with values",
    "date": "must be a date, YYYY-MM-DD",
    "none_required": "must be left out, or null",
    "recursion_loop": "leads back to itself",
    "union_tag_not_found": "lacks the key kind",
}
_LIMITS = {
    "greater_than": ("gt", "must be more than {}"),
    "greater_than_equal": ("ge", "must be {} or more"),
    "less_than": ("lt", "must be less than {}"),
    "less_than_equal": ("le", "must be {} or less"),
    "multiple_of": ("multiple_of", "must be a multiple of {}"),
}
# What pydantic puts into a place beside the keys: names of types and of the sections of a choice.
_NO_KEY = re.compile(r"[A-Z]|.*[\[\](){}<>,]|(str|int|float|bool|bytes|tuple|list|dict|none|nullable)$|.*-")


def first_error(error: ValidationError, label: str, tags: Mapping[str, Any] | None = None) -> str:
    """Say the first of the errors in one sentence; unknown keys first, they explain missing ones.

    Args:
        error: pydantic's.
        label: of the file or card, before the sentence.
        tags: names of kinds that pydantic puts among the keys.
    """
    errors = sorted(error.errors(include_url=False), key=lambda e: e["type"] != "extra_forbidden")
    return f"{label}: {_problem(errors[0], tags or {})}."


def _problem(first: Mapping[str, Any], tags: Mapping[str, Any]) -> str:
    kind, place = first["type"], first["loc"]
    if kind == "extra_forbidden" or kind.startswith("unexpected_"):
        key = _key([*_keys(place[:-1], tags), shown(place[-1])])
        known = set(_names(Section)) - {place[-1]}
        return f"there is no key {key}{nearest(str(place[-1]), sorted(known))}"
    keys = list(_keys(place, tags))
    if kind == "missing" or kind.startswith("missing_"):
        if keys and isinstance(place[-1], int):
            return f"{_key(keys[:-1])} has too few entries"
        return f"the key {_key(keys)} is missing"
    message = _message(first)
    key = _key(keys)
    given = first.get("input")
    told = f" (it is {shown(repr(given) if isinstance(given, str) else _written(given))})"
    told = told if isinstance(given, (str, int, float)) and len(key) else ""
    return f"{key + ': ' if key else ''}{message}{told}"


def _written(value: Any) -> Any:
    """Return a value as YAML writes it."""
    return str(value).lower() if isinstance(value, bool) else value


def _message(first: Mapping[str, Any]) -> str:
    kind, details = first["type"], first.get("ctx") or {}
    if kind in _LIMITS:
        key, words = _LIMITS[kind]
        return words.format(details.get(key))
    if kind in ("literal_error", "enum"):
        return f"must be {details.get('expected', 'another word')}".replace("'", "")
    if kind == "union_tag_invalid":
        known = str(details.get("expected_tags", "")).replace("'", "")
        return f"the kind must be one of {known}, not {shown(details.get('tag', ''))}"
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(str(details.get("pattern")), "is not of the form that is wanted")
    if kind == "string_too_short":
        return "must not be empty"
    if kind == "too_short":
        return f"must have {details.get('min_length')} entries or more"
    if kind in ("too_long", "string_too_long"):
        return f"must have {details.get('max_length')} entries or fewer"
    if kind == "value_error":
        return str(details.get("error") or first["msg"].removeprefix("Value error, "))
    for begin, words in _KINDS.items():
        if kind.startswith(begin):
            return words
    return "is of the wrong kind"


def _keys(place: tuple[int | str, ...], tags: Mapping[str, Any]) -> Iterator[int | str]:
    for part in place:
        if isinstance(part, int) or not (part in tags or _NO_KEY.match(part)):
            yield part


def _key(keys: list[int | str]) -> str:
    return ".".join(map(str, keys))


def _names(section: type[Section]) -> Iterator[str]:
    """Return the keys of every section, for the one that may be meant."""
    yield from section.model_fields
    for below in section.__subclasses__():
        yield from _names(below)
