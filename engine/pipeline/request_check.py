"""Checks a request against `request.schema.json`, the protocol's own description of it."""

from __future__ import annotations

import json
import reprlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import InputError

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

SCHEMA_FILE = Path(__file__).with_name("request.schema.json")
_NEEDED = {"model", "target", "output", "table"}
_RASTERS = {"target": 2, "domain": 2, "truth": 2, "sources": 3}  # how deep the keys of a raster lie
_HOLD_OTHERS = {"target", "domain", "truth", "sources", "grid", "ensemble", "models", "methods"}
_KINDS = {
    "object": "keys with values",
    "array": "a list",
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
}


def check_request(data: Any, schema: Path = SCHEMA_FILE) -> None:
    """Check a request as plain data: what JSON holds; tuples count as lists.

    Args:
        data: the request.
        schema: the file that describes it.

    Raises:
        InputError: an unknown or missing key, or a value of the wrong kind.
    """
    problems = [_problem(error) for error in _validator(schema).iter_errors(data)]
    if problems:
        raise InputError(min(problems)[1])


@cache
def _validator(file: Path) -> Any:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    # JSON Schema counts 1.0 as an integer, which is none to Python.
    kinds = Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "array": lambda checker, value: isinstance(value, list | tuple),
            "integer": lambda checker, value: isinstance(value, int) and not isinstance(value, bool),
        }
    )
    schema = json.loads(file.read_text(encoding="utf-8"))
    return extend(Draft202012Validator, type_checker=kinds)(schema)


def _problem(error: ValidationError) -> tuple[int, str]:
    """Return what is wrong as a sentence, after a number by which the first to tell is chosen."""
    value: Any = error.instance
    schema: Any = error.schema
    path = [str(part) for part in error.absolute_path]
    place = ".".join(path)
    where = f"The request's {place}" if path else "The request"
    if place in _NEEDED and not value:
        return 1, f"The request lacks {place}."
    if error.validator == "additionalProperties":
        extra = sorted(set(map(str, value)) - set(schema["properties"]))
        return 2 if path else 0, f"{where} has an unknown key: {reprlib.repr(extra[0])[1:-1]}."
    if error.validator == "required":
        lacking = next(key for key in schema["required"] if key not in value)
        return 3 if path else 1, f"{where} lacks {lacking}."
    if len(path) == _RASTERS.get(path[0] if path else "") and path[-1] in ("path", "band"):
        return 3, f"The request's {path[-2]} needs a path and, if any, a whole number from 1 on as its band."
    if path[:2] == ["ensemble", "levels"] and len(path) == 3:
        return 6, "The request's ensemble.levels must be numbers."
    if (len(path) == 1 and place not in _HOLD_OTHERS) or (path[:1] == ["ensemble"] and len(path) == 2):
        return 3 + len(path), f"{where} is of the wrong kind: {reprlib.repr(value)}."
    return 2, f"The request is malformed: {place + ' ' if place else 'it '}must be {_wanted(error)}."


def _wanted(error: ValidationError) -> str:
    """Return what a value must be, in words."""
    wanted: Any = error.validator_value
    if error.validator == "type":
        kinds = [wanted] if isinstance(wanted, str) else [kind for kind in wanted if kind != "null"]
        return " or ".join(_KINDS.get(kind, "of another kind") for kind in kinds)
    if error.validator in ("minItems", "maxItems"):
        return f"a list of {wanted}"
    return "of another kind"
