"""Descriptions of data sets and trainings that are wrong, absurd, or hard to read at all."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tests.torture.case import Case
from tests.torture.generators.requests import JUNK
from tests.torture.generators.shared import Shared, training_settings
from tests.torture.running.surroundings import Folders

Rng = np.random.Generator
_LONG = {
    "steps",
    "members",
    "widths",
    "validated",
    "boxes",
    "width",
    "size",
    "batch",
    "scales",
}  # large ones take long
_BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(f'*{chr(97 + i)}' for _ in range(9))}]\n" for i in range(9)
)
TEXTS: dict[str, bytes] = {
    "empty": b"",
    "a word": b"hello",
    "a list": b"- a\n- b\n",
    "no YAML": b"a: [1, 2\nb: }{",
    "tabs": b"model:\n\tid: x\n",
    "nested deep": b"[" * 20_000,
    "nested deep in blocks": b"".join(b" " * i + b"a:\n" for i in range(1500)),
    "an integer of 5000 digits": b"factor: " + b"9" * 5000,
    "an octal of 5000 digits": b"factor: 0o" + b"7" * 5000,
    "sexagesimal": b"factor: " + b":".join([b"59"] * 3000),
    "a bomb of anchors": _BOMB.encode(),
    "an anchor of itself": b"a: &a [*a]\nfactor: *a\n",
    "a merge of itself": b"a: &a\n  <<: *a\n",
    "an object": b"!!python/object/apply:os.system ['touch ran']\n",
    "an unknown tag": b"model: !foo {id: x}\n",
    "a binary": b"model: !!binary aGVsbG8=\n",
    "bytes": bytes(range(256)),
    "UTF-16": "factor: 2".encode("utf-16"),
    "a NUL": b"factor: 2\0\n",
    "a key twice": b"factor: 2\nfactor: 3\n",
    "two documents": b"factor: 2\n---\nfactor: 3\n",
    "a key that is a list": b"? [a, b]\n: 1\n",
    "a surrogate": b'name: "\\ud800"\n',
    "a date": b"factor: 2001-02-30\n",
    "infinity": b"factor: .inf\n",
}


def make(rng: Rng, folders: Folders, shared: Shared) -> Case:
    """Spoil a description, and run its command."""
    preparing = bool(rng.random() < 0.5)
    file = folders.inputs / "description.yaml"
    good = yaml.safe_load(shared.dataset.read_text("utf-8")) if preparing else training_settings(shared.store)
    if preparing:
        for part in (good["target"]["fine"], *good["sources"]):
            part["files"] = str(shared.folder / part["files"])
    due, unreadable = False, rng.random() < 0.35
    if unreadable:
        what, due = _unreadable(rng, file)
    else:
        settings = copy.deepcopy(good)
        what = "; ".join(_spoil(rng, settings) for _ in range(int(rng.choice([1, 1, 2]))))
        file.write_text(json.dumps(settings), "utf-8")
    out = folders.outputs
    if preparing:
        argv = [str(file), "--output", str(out / "made.zarr"), "--workers", "1", "--quiet"]
    else:
        argv = [
            str(file),
            "--runs",
            str(out / "runs"),
            "--output",
            str(out / "package"),
            "--threads",
            "1",
            "--quiet",
        ]
    if rng.random() < 0.1:
        wrong = ["--workers", "--threads", "--nonsense", "--output", "", "--resume=1", "--runs"]
        argv.append(str(rng.choice(wrong)))
        what += f", and the word {argv[-1]!r}"
    return Case(
        kind="configurations",
        what=f"{'data set' if preparing else 'training'}: {what}"[:300],
        way="command",
        module="training.prepare" if preparing else "training.train",
        argv=argv,
        refusal="due" if due else "may",
        status=(2,) if unreadable else (1, 2),
        outputs=("made.zarr", "made.html", "runs", "package"),
        seconds=60,
    )


def _unreadable(rng: Rng, file: Path) -> tuple[str, bool]:
    how = str(rng.choice([*TEXTS, "gone", "a folder", "a pipe", "a device"]))
    if how in TEXTS:
        file.write_bytes(TEXTS[how])
    elif how == "a folder":
        file.mkdir()
    elif how == "a pipe":
        os.mkfifo(file)
    elif how == "a device":
        file.symlink_to("/dev/zero")
    return how, True


def _paths(data: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [prefix] if prefix else []
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        found += _paths(value, (*prefix, key))
    return found


def _spoil(rng: Rng, settings: dict[str, Any]) -> str:
    paths = _paths(settings)
    path = paths[int(rng.integers(len(paths)))]
    parent: Any = settings
    for key in path[:-1]:
        parent = parent[key]
    if rng.random() < 0.2:
        del parent[path[-1]]
        return f"without {path}"
    if rng.random() < 0.1 and isinstance(parent, dict):
        parent["foo"] = 1
        return f"an unknown key beside {path}"
    junk = JUNK[int(rng.integers(len(JUNK)))]
    large = isinstance(junk, int | float) and not isinstance(junk, bool) and not -1 <= junk <= 2
    if large and _LONG & {str(part) for part in path}:
        junk = 0
    if isinstance(junk, float) and not np.isfinite(junk):
        junk = str(junk)
    parent[path[-1]] = junk
    return f"{path} = {junk!r:.60}"
