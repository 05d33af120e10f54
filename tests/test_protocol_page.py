"""docs/protocol.md tells people what the schemas and the contract tell programs."""

from __future__ import annotations

import json
import re
from typing import Any

from jsonschema import Draft202012Validator

from engine.commands.jobs import JOBS
from engine.commands.worker import SCHEMA_FILE as MESSAGES_FILE
from engine.contract import IDLE_SECONDS, MAX_CELLS, MOST_LEVELS, MOST_MEMBERS, PROTOCOL
from engine.pipeline.request import SourceReport, SuperResolveResult
from engine.pipeline.request_check import SCHEMA_FILE as REQUEST_FILE
from tests.source_tree import ROOT
from training.jobs.listing import GRACE_SECONDS, OWN_JOBS
from training.jobs.requests import AblateRequest, EvaluateRequest, PrepareRequest, TrainRequest

PAGE = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
MESSAGES: dict[str, Any] = json.loads(MESSAGES_FILE.read_text(encoding="utf-8"))
REQUEST: dict[str, Any] = json.loads(REQUEST_FILE.read_text(encoding="utf-8"))


def section(head: str) -> str:
    """Return the text below a heading, up to the next one of any level."""
    return re.split(r"^#+ ", PAGE.partition(f"# {head}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> dict[str, str]:
    """Return the rows of a section's tables, without their heads, by the word in their first cell."""
    return dict(re.findall(r"^\| `([a-z_]+)` \|(.*)\|$(?!\n\|---)", text, re.MULTILINE))


def words(text: str) -> set[str]:
    """Return what a text sets as code."""
    return set(re.findall(r"`([^`]+)`", text))


def test_it_names_the_files_that_programs_read() -> None:
    for file in (MESSAGES_FILE, REQUEST_FILE, ROOT / "engine" / "contract.json"):
        assert file.relative_to(ROOT).as_posix() in words(PAGE)


def test_every_message_and_its_keys_are_told() -> None:
    schemas = MESSAGES["$defs"]
    kinds = schemas["error"]["properties"]["kind"]["enum"]
    for head, direction in {"To the worker": "to_worker", "From the worker": "from_worker"}.items():
        told = {name: row for name, row in rows(section(head)).items() if name not in kinds}
        assert list(told) == [ref["$ref"].rpartition("/")[2] for ref in schemas[direction]["oneOf"]]
        for name, row in told.items():
            assert set(schemas[name]["properties"]) - {"type"} <= words(row), name


def test_kinds_levels_and_jobs_are_those_of_the_schema() -> None:
    schemas = MESSAGES["$defs"]
    told = rows(section("From the worker"))
    kinds = schemas["error"]["properties"]["kind"]["enum"]
    assert [name for name in told if name not in schemas] == kinds
    assert words(told["log"]) - set(schemas["log"]["properties"]) == set(
        schemas["log"]["properties"]["level"]["enum"]
    )
    assert ["super_resolve", *rows(section("The others"))] == list(JOBS)


def test_the_jobs_of_training_and_their_requests_are_told() -> None:
    text = section("Of training")
    told = rows(text)
    assert list(told) == list(OWN_JOBS)
    assert f"they have {GRACE_SECONDS:g} s" in text
    kinds = (PrepareRequest, TrainRequest, EvaluateRequest, AblateRequest)
    for job, kind in zip(told, kinds, strict=True):
        assert set(kind.model_fields) - {"folder"} <= words(told[job]), job


def test_every_key_of_a_request_and_of_its_result_is_told() -> None:
    text = section("`super_resolve`")
    told = rows(text)
    properties = REQUEST["properties"]
    assert list(told) == list(properties)
    assert {key for key, row in told.items() if "| needed |" in row} == set(REQUEST["required"])
    for key in ("grid", "ensemble"):
        assert set(properties[key]["properties"]) <= words(told[key])
    assert all(f'"{key}"' in text for key in REQUEST["$defs"]["raster"]["properties"])
    result = {*SuperResolveResult.__dataclass_fields__, *SourceReport.__dataclass_fields__}
    assert result <= words(text.partition("The result:")[2])


def test_limits_are_those_of_the_contract() -> None:
    told = rows(section("`super_resolve`"))
    assert f"(2 to {MOST_MEMBERS})" in told["ensemble"]
    assert f"up to {MOST_LEVELS} `levels`" in told["ensemble"]
    assert "2³⁶ cells" in told["output"] and MAX_CELLS == 2**36
    assert f"`--idle-seconds` (default {IDLE_SECONDS})" in PAGE
    assert f"`protocol` (now {PROTOCOL})" in PAGE


def test_the_conversation_follows_the_schemas() -> None:
    messages = Draft202012Validator(MESSAGES)
    lines = [json.loads(line) for line in section("A conversation").splitlines() if line.startswith("{")]
    assert [line["type"] for line in lines] == ["hello", "run", "progress", "result"]
    for line in lines:
        assert [error.message for error in messages.iter_errors(line)] == []
    Draft202012Validator(REQUEST).validate(lines[1]["request"])
