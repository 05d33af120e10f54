"""Checks a card's text: JSON, schema, and what a schema cannot say."""

from __future__ import annotations

import json
import math
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.contract import CARD_VERSION, RESERVED_IDS
from engine.errors import PackageError
from engine.package.plain_json import read_json
from engine.source_kinds import KINDS
from engine.specs import NEIGHBOURHOOD
from engine.transforms import TRANSFORMS

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)
LARGEST_GAP = 1e-3  # between one and a sum of weights, which cards round
SCHEMA_FILE = Path(__file__).with_name("card.schema.json")


def parse_card(data: bytes, where: str) -> dict[str, Any]:
    """Return the card's fields.

    Args:
        data: the bytes of card.json.
        where: its path, for the error.

    Raises:
        PackageError: not UTF-8 JSON, or a field that is missing, unknown or out of its range.
    """
    try:
        card = read_json(data)
    except ValueError as error:
        raise PackageError(f"{where} is not valid JSON: {error}.") from error
    check_card(card, where)
    return card


def check_card(card: Any, where: str) -> None:
    """Check a card's fields.

    Raises:
        PackageError: naming the first field that is wrong.
    """
    from jsonschema.exceptions import best_match

    if not isinstance(card, dict):
        raise PackageError(f"{where} does not hold a JSON object.")
    version = card.get("msr_card")
    if isinstance(version, int) and not isinstance(version, bool) and version > CARD_VERSION:
        raise PackageError(
            f"{where} was made for a newer MSR (card version {version}, not {CARD_VERSION}): update MSR."
        )
    error = best_match(_validator().iter_errors(card))
    if error is not None:
        raise PackageError(f"{where}: {_sentence(error)}.")
    for problem in _problems(card):
        raise PackageError(f"{where}: {problem}.")


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    # What the engine knows is told by its own tables.
    schema["properties"]["target"]["properties"]["transform"]["enum"] = list(TRANSFORMS)
    schema["$defs"]["source"]["properties"]["kind"]["enum"] = list(KINDS)
    schema["properties"]["id"]["not"] = {"enum": sorted(RESERVED_IDS)}
    return Draft202012Validator(schema)


def _field(path: Any) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part[:60]}" if text else str(part)[:60]
    return text


def _sentence(error: ValidationError) -> str:
    """Say which field is wrong and how, without quoting long values."""
    field = _field(error.absolute_path)
    inside = f" in {field}" if field else ""
    # All three are set in what a validator yields.
    schema: Any = error.schema
    instance: Any = error.instance
    wanted: Any = error.validator_value
    if error.validator == "required":
        missing = next(n for n in wanted if n not in instance)
        return f"the field {field + '.' if field else ''}{missing} is missing"
    if error.validator == "additionalProperties" and wanted is False:
        known = set(schema.get("properties", {}))
        patterns = schema.get("patternProperties", {})
        extra = [n for n in instance if n not in known and not any(re.search(p, n) for p in patterns)]
        return f"there is an unknown field{inside}: {extra[0][:60]}"
    value = json.dumps(instance, ensure_ascii=False)
    value = value if len(value) <= 60 else value[:57] + "…"
    if error.validator == "pattern" and field.endswith("file"):
        return f"the field {field} ({value}) must be a plain file name in the package's folder"
    if error.validator == "not":
        return f"the field {field} ({value}) is a name that MSR keeps for itself"
    expected = {
        "type": "must be of type {}",
        "enum": "must be one of {}",
        "const": "must be {}",
        "pattern": "must match {}",
        "minimum": "must be at least {}",
        "maximum": "must be at most {}",
        "exclusiveMinimum": "must be more than {}",
        "minItems": "must have at least {} items",
        "maxItems": "must have at most {} items",
        "minLength": "must have at least {} characters",
        "maxLength": "must have at most {} characters",
    }.get(str(error.validator))
    if expected is None:
        return f"the field {field} ({value}) is not of its form"
    wanted = ", ".join(map(str, wanted)) if isinstance(wanted, list) else str(wanted)
    return f"the field {field} ({value}) {expected.format(wanted)}"


def named_files(card: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the entries of a card that name a file of the package, the weights first."""
    defaults = [s["default"] for s in card["sources"] if s.get("default")]
    domain = card.get("domain", {})
    others = (card.get("bias"), card.get("base", {}).get("regression"), domain if "file" in domain else None)
    return [card["weights"], *(entry for entry in others if entry), *defaults]


def _problems(card: dict[str, Any]) -> Any:
    """Yield what the schema cannot express."""
    for field, text in (("id", card["id"]), ("version", card["version"])):
        if text != text.strip():  # `$` of a regular expression lets a newline pass
            yield f"the field {field} ends in white space"
    for entry in named_files(card):
        if _RESERVED.match(entry["file"]) or entry["file"].endswith("."):
            yield f"{entry['file']} is a name that Windows keeps for itself"
    weights = card.get("base", {}).get("weights")
    if weights and abs(sum(weights.values()) - 1) > LARGEST_GAP:
        yield "the weights in base.weights must sum to 1"
    yield from _domain_problems(card)
    yield from _regression_problems(card, weights or {})
    target = card["target"]
    yield from _ordered(target.get("bounds"), "target.bounds")
    yield from _ordered(target.get("range"), "target.range", may_be_one=True)
    lowest = (target.get("bounds") or [None])[0]
    if target["conservation"] == "multiplicative" and (lowest is None or lowest < 0):
        yield "target.conservation is multiplicative, so target.bounds must begin at 0 or above"
    if TRANSFORMS[target["transform"]].from_zero and (lowest is None or lowest < 0):
        yield f"target.transform is {target['transform']}, so target.bounds must begin at 0 or above"
    seen: set[str] = set()
    climatologies = 0
    for index, source in enumerate(card["sources"]):
        where = f"sources[{index}]"
        if source["name"] in seen:
            yield f"the source {source['name']} stands twice"
        seen.add(source["name"])
        yield from _ordered(source.get("range"), f"{where}.range", may_be_one=True)
        kind = source.get("kind", "continuous")
        if KINDS[kind].wants_classes and not source.get("classes"):
            yield f"{where} is of kind {kind}, so {where}.classes must list its classes"
        if KINDS[kind].of_target:
            climatologies += 1
            if source["grid"] != "fine":
                yield f"{where} is a climatology, so {where}.grid must be fine"
        if source.get("default") and source.get("dynamic"):
            yield f"{where} is dynamic, so {where}.default must not stand"
    cascade = card.get("cascade")
    if cascade and math.prod(cascade["steps"]) != card["factor"]:
        yield f"the product of cascade.steps is not the factor ({card['factor']})"
    if cascade and "shares" in cascade and len(cascade["shares"]) != len(cascade["steps"]):
        yield "cascade.shares must hold a number for each of cascade.steps"
    yield from _bias_problems(card)
    for index, entry in enumerate(card.get("spread", ())):
        if unknown := sorted(set(entry["sources"]) - seen):
            yield f"spread[{index}] names a source that the card lacks: {unknown[0]}"
    if cascade and climatologies:
        yield "the model is a cascade, so sources must not hold a climatology"
    if climatologies > 1:
        yield "there is more than one source of kind climatology"


def _bias_problems(card: dict[str, Any]) -> Any:
    bias = card.get("bias")
    if not bias:
        return
    parts = {"all": {0}, "season": {1, 2, 3, 4}, "month": set(range(1, 13))}[bias["group"]]
    if not set(bias["groups"]) <= parts:
        yield f"bias.groups holds what is no part of the year for bias.group {bias['group']}"
    a, b, _, d, e, _ = bias["grid"]["transform"]
    if b or d or a <= 0 or e >= 0:
        yield "bias.grid.transform must be of a grid that is north up"
    if bias["kind"] == "multiplicative" and card["target"]["conservation"] != "multiplicative":
        yield "bias.kind is multiplicative, so target.conservation must be multiplicative"
    if card.get("cascade"):
        yield "the model is a cascade, so bias must not stand"


def _domain_problems(card: dict[str, Any]) -> Any:
    if "domain" not in card:
        return
    entry = card["domain"]
    if ("file" in entry) == ("source" in entry):
        yield "the field domain must hold either a file or a source"
    elif "file" in entry and "sha256" not in entry:
        yield "the field domain.sha256 is missing"
    elif "source" in entry:
        fixed = [s["name"] for s in card["sources"] if s["grid"] == "fine" and not s.get("dynamic")]
        if entry["source"] not in fixed:
            yield "domain.source is no fine source of the model that stays the same with time"
    if "cascade" in card:
        yield "the model is a cascade, so domain must not stand"


def _regression_problems(card: dict[str, Any], weights: dict[str, float]) -> Any:
    entry = card.get("base", {}).get("regression")
    if (NEIGHBOURHOOD in weights) != (entry is not None):
        yield f"base.regression belongs to the method {NEIGHBOURHOOD} in base.weights: neither stands alone"
    if entry is None:
        return
    if card.get("cascade"):
        yield "the model is a cascade, so base.regression must not stand"
    width, skew, _, turn, height, _ = entry["transform"]
    if width <= 0 or height >= 0 or skew or turn:
        yield "base.regression.transform is not that of cells with north up"


def _ordered(pair: list[float | None] | None, field: str, may_be_one: bool = False) -> Any:
    """Limits lie apart; a range that was seen may be of one value."""
    low, high = pair or (None, None)
    if low is not None and high is not None and (low > high or (low == high and not may_be_one)):
        yield f"the field {field} must give the lower value first"
