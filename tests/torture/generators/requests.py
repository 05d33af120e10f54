"""Requests with wrong, missing, unknown and absurd parts, and lines that are no requests."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.torture.case import Case, Json
from tests.torture.generators.question import draw
from tests.torture.generators.shared import Shared
from tests.torture.running.surroundings import Folders

Rng = np.random.Generator
JUNK: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2,
        10**9,
        10**30,
        -(10**400),
        1.5,
        -0.0,
        1e308,
        float("nan"),
        float("inf"),
    ),
    *(
        "",
        " ",
        "0",
        "auto",
        "nan",
        "1e999",
        "\0",
        "\ud800",
        "a" * 5000,
        "../../etc/passwd",
        "雨",
        "-1",
        "[]",
        "{}",
    ),
    *(
        "'; DROP TABLE x; --",
        "%s%n",
        "{0}",
        "$(touch x)",
        "\n\r\t",
        "<script>",
        "\u202eabc",
        "NaN",
        "true",
        "file:///",
    ),
    *([], [None], [[]], [1, 2], ["a"] * 3, {}, {"": ""}, {"path": None}, {"a": {"b": {"c": []}}}),
)
_KEYS = (
    *(
        "model",
        "target",
        "output",
        "sources",
        "grid",
        "factor",
        "quantity",
        "date",
        "all_dates",
        "conservation",
    ),
    *("device", "precision", "tile", "seed", "ensemble", "overwrite", "models"),
)
_DATES = (
    *(
        "2001-13",
        "2001-02-30",
        "0000-01",
        "99999-01",
        "yesterday",
        "13",
        "00",
        "--13",
        "2001-1",
        "1-1-2001",
        "2001/01",
    ),
    *("2001-01-01T00:00", "2001-01-01 25:00", "٢٠٠١-٠١", "2001-01-", "-2001-01", "1e3", "2001-W05", "٣"),
)
_INSIDE: dict[str, tuple[tuple[str, ...], ...]] = {
    "target": (("path",), ("band",), ("crs",)),
    "grid": (("like",), ("crs",), ("resolution",), ("extent",)),
    "ensemble": (("members",), ("spread",), ("quantiles",), ("levels",), ("member_file",), ("support",)),
}
_LINES: tuple[bytes, ...] = (
    b"",
    b"{",
    b"null",
    b"[]",
    b'"run"',
    b"{}",
    b'{"type": "run"}',
    b'{"type": "run", "id": ""}',
    b'{"type": "run", "id": 5, "job": "models"}',
    b'{"type": "run", "id": "x", "job": "nothing"}',
    b'{"type": "run", "id": "x", "job": ["models"]}',
    b'{"type": "run", "id": "x", "job": "super_resolve"}',
    b'{"type": "run", "id": "x", "job": "super_resolve", "request": 5}',
    b'{"type": "run", "id": "x", "job": "super_resolve", "request": "target"}',
    b'{"type": "run", "id": "x", "job": "check_package", "request": {"folder": 5}}',
    b'{"type": "run", "id": "x", "job": "models", "request": {"models": 5}}',
    b'{"type": "dance", "id": "x"}',
    b'{"type": {"a": 1}, "id": "x"}',
    b"\xff\xfe\x00",
    b"[" * 20_000,
    b'{"a":' * 20_000,
    b"9" * 6000,
    b'{"type": "run", "id": "x", "job": "super_resolve", "request": {"factor": ' + b"9" * 6000 + b"}}",
    b'{"type": "run", "id": "\\ud800", "job": "nothing"}',
    b'{"type": "run", "id": "x", "job": "\\ud800"}',
    b'{"type": "run", "id": "x", "job": "' + b"j" * 100_000 + b'"}',
    b"x" * (2**24 + 10),
    b'{"type": "run", "id": "x", "job": "super_resolve", "request": {"model": NaN}}',
)


def make(rng: Rng, folders: Folders, shared: Shared) -> Case:
    """Spoil one or two parts of a good request, or send a line that is none."""
    if rng.random() < 0.2:
        line = _LINES[int(rng.integers(len(_LINES)))]
        if not line.strip():
            line = b"\x00"
        return Case(
            "requests", f"the line {line[:60]!r}", way="lines", lines=[line], refusal="due", status=(1, 2)
        )
    question = draw(rng, folders.inputs, shared)
    request = question.asked(folders.outputs / "fine.tif")
    told = [_spoil(rng, request, folders) for _ in range(int(rng.choice([1, 1, 2])))]
    _harmless(request, folders)
    return Case(
        kind="requests",
        what=f"{question.model}: {'; '.join(told)}"[:300],
        request=request,
        refusal="may",
        status=(2, 1),
        outputs=("fine.tif", "more.tif"),
        seconds=30,
    )


def _spoil(rng: Rng, request: Json, folders: Folders) -> str:
    """Change something; return what."""
    junk = JUNK[int(rng.integers(len(JUNK)))]
    how = int(rng.integers(9))
    key = str(rng.choice(_KEYS))
    if how == 0:
        gone = str(rng.choice([*request]))
        request.pop(gone)
        return f"without {gone}"
    if how == 1:
        request[str(rng.choice(["Target", "targets", "", "foo", "__class__", "output ", "ñ"]))] = junk
        return "an unknown key"
    if how == 2:
        request["date"] = str(rng.choice(_DATES))
        return f"date {request['date']}"
    if how in (3, 4):
        part = str(rng.choice([*_INSIDE]))
        (name,) = _INSIDE[part][int(rng.integers(len(_INSIDE[part])))]
        there = request.get(part)
        inner = there if isinstance(there, dict) else {"members": 3} if part == "ensemble" else {}
        request[part] = {**inner, name: junk}
        return f"{part}.{name} = {junk!r:.60}"
    if how == 5:
        sources = request.get("sources")
        name = str(rng.choice(["elevation", "temperature", "foo", "", "target", "climatology", "\ud800"]))
        there = sources if isinstance(sources, dict) else {}
        request["sources"] = {**there, name: junk if rng.random() < 0.5 else request.get("target")}
        return f"the source {name!r}"
    if how == 6:
        choices = [("factor", int(rng.integers(-3, 120))), ("tile", int(rng.integers(-5, 10**6)))]
        choices += [("conservation", float(rng.normal(0.5, 1))), ("seed", int(rng.integers(-(2**62), 2**62)))]
        choices += [("device", str(rng.choice(["gpu", "cuda", "cuda:99", "mps", "CPU", "tpu"])))]
        choices += [("precision", str(rng.choice(["float16", "float64", "bfloat16", "half"])))]
        name, value = choices[int(rng.integers(len(choices)))]
        request[name] = value
        return f"{name} = {value}"
    request[key] = junk
    return f"{key} = {junk!r:.60}"


def _harmless(request: Json, folders: Folders) -> None:
    """Keep outputs within the case's folder: what junk names there would be written elsewhere."""
    output = request.get("output")
    if isinstance(output, str) and output.strip() and not output.startswith(str(folders.outputs)):
        request["output"] = str(folders.outputs / "more.tif") if "\0" not in output else output
    many = request.get("ensemble")
    if isinstance(many, dict):
        for name in ("spread", "quantiles", "member_file", "support"):
            if isinstance(many.get(name), str) and many[name].strip() and "\0" not in many[name]:
                many[name] = str(folders.outputs / "more.tif")
        if isinstance(many.get("members"), int) and many["members"] > 20:
            many["members"] = 201
    grid = request.get("grid")
    if isinstance(grid, dict) and grid.get("resolution") in (1, 1.5, 2, True):
        grid["resolution"] = (
            0  # metres of a continent: too many cells to wait for, and not too many to ask for
        )
