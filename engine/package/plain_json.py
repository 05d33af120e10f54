"""JSON of unknown hands as plain data: no depth, numbers or letters that other code stumbles over."""

from __future__ import annotations

import json
from typing import Any, NoReturn

DEEPEST = 24
_LARGEST = 1e38  # what float32 still holds
_MOST_DIGITS = 400
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # turn the text beside them


def read_json(data: bytes) -> Any:
    """Return what JSON text holds.

    Raises:
        ValueError: it is no such text; the words, without a full stop, say why.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_constant, parse_int=_integer)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"line {error.lineno} breaks off, or holds a sign that does not belong there"
        ) from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    check_plain(value)
    return value


def check_plain(value: Any) -> None:
    """Check what a JSON value holds, however deep.

    Raises:
        ValueError: too deep, a number out of range, or text that cannot be shown.
    """
    waiting = [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        if depth > DEEPEST:
            raise ValueError("it is nested too deeply")
        if isinstance(item, dict):
            waiting += [(key, depth + 1) for key in item] + [(each, depth + 1) for each in item.values()]
        elif isinstance(item, (list, tuple)):
            waiting += [(each, depth + 1) for each in item]
        elif isinstance(item, str):
            _check_text(item)
        elif isinstance(item, (int, float)) and not abs(item) <= _LARGEST:
            raise ValueError("a number is out of range")


def _check_text(text: str) -> None:
    for letter in text:
        if "\ud800" <= letter <= "\udfff":
            raise ValueError("a text holds half a letter (a lone surrogate)")
        if (letter < " " and letter not in "\t\r\n") or "\x7f" <= letter <= "\x9f" or letter in _DIRECTIONS:
            raise ValueError("a text holds control characters")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(n for n in names if names.count(n) > 1)[:60]
        _check_text(twice)
        raise ValueError(f"the field {twice} stands twice")
    return fields


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")


def _integer(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"a number has {len(text)} digits")
    return int(text)
