"""Records of runs: one JSON object a line, only ever added to; and a run's own, in its folder.

A record says what was run (configuration, overrides, seed, steps, command), under which hash, and
what came of it. Those that a published table rests on are committed in `training/records/`.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.errors import InputError
from engine.files.atomic import write_text
from engine.package.plain_json import read_json
from training.schema.config import Config, parse_config
from training.schema.older import neutral_left_out
from training.schema.problems import first_error
from training.schema.yaml_file import read_yaml

FOLDER = Path(__file__).resolve().parent
# Words on a package, how runs are made from a configuration, and where.
NOT_HASHED = ("model", "ablation", "device")


class Record(BaseModel):
    """What a run was, and its numbers: case → metric → value; null for a number that is not finite.

    `notes` holds what only some kinds of run tell, such as the precision or errors by block.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1)
    kind: str = Field(min_length=1)  # ablation, cross_validation, training, …
    config: str  # path from the checkout's root
    hash: str = Field(pattern=r"^[0-9a-f]{64}$")  # of the validated configuration, see `config_hash`
    overrides: dict[str, Any] = {}  # keys that the run changed in the configuration
    seed: int
    steps: int
    command: str
    metrics: dict[str, dict[str, float | None]]
    finished: str  # UTC
    notes: dict[str, Any] = {}


def config_hash(config: Config) -> str:
    """Return the SHA-256 of a validated configuration, as hexadecimal digits.

    What a run's numbers do not depend on is left out (`NOT_HASHED`), and so is every key that has its
    default value, or says what runs did before there was such a key: old records stay valid.
    """
    plain = config.model_dump(mode="json", exclude_defaults=True, exclude=set(NOT_HASHED))
    plain = neutral_left_out(plain, config)
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def merged(settings: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with some keys replaced; a mapping is merged key by key, anything else is replaced."""
    result = dict(settings)
    for key, value in overrides.items():
        old = result.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            result[key] = merged(old, value)
        else:
            result[key] = value
    return result


def configured(path: str | Path, overrides: Mapping[str, Any], seed: int | None = None) -> Config:
    """Read a configuration with overrides and, where given, another seed.

    Raises:
        InputError: as `training.schema.config.load_config`.
    """
    settings = merged(read_yaml(path), overrides)
    if seed is not None:
        settings["seed"] = seed
    return parse_config(settings, str(path))


def record_of(
    id: str,
    kind: str,
    config: Config,
    path: str | Path,
    command: str,
    metrics: Mapping[str, Mapping[str, float | None]],
    overrides: Mapping[str, Any] | None = None,
    notes: Mapping[str, Any] | None = None,
) -> Record:
    """Return the record of a run that has just finished.

    Args:
        id: the run's name; `append` takes any, `--rerun` needs one that stands once.
        kind: of run.
        config: as validated, overrides and seed included.
        path: of the configuration's file.
        command: that runs it again.
        metrics: case → metric → value, None where there is none.
        overrides, notes: see `Record`.
    """
    finite = {
        case: {name: None if v is None or not math.isfinite(v) else float(v) for name, v in values.items()}
        for case, values in metrics.items()
    }
    return Record(
        id=id,
        kind=kind,
        config=from_root(path),
        hash=config_hash(config),
        overrides=dict(overrides or {}),
        seed=config.seed,
        steps=config.steps,
        command=command,
        metrics=finite,
        finished=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        notes=dict(notes or {}),
    )


def run_id(name: str, config: Config) -> str:
    """Return an id that tells a run from others: a name, the seed, the hash's first digits."""
    return f"{name}-s{config.seed}-{config_hash(config)[:8]}"


def append(path: Path, record: Record) -> None:
    """Add one record as one line, whole or not at all, also while other processes add theirs.

    A line that a killed writer left unfinished is dropped first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(record.model_dump(mode="json"), ensure_ascii=False, allow_nan=False) + "\n"
    with FileLock(path.with_name(f".{path.name}.lock")), open(path, "ab+") as file:
        size = _whole(file.name)
        if size != file.seek(0, os.SEEK_END):
            file.truncate(size)
        file.write(line.encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())


def write_run(path: Path, record: Record, config: Config) -> None:
    """Write a run's record as a file of its own, with the whole configuration in place of its path."""
    told = record.model_dump(mode="json")
    kept = {
        "config": config.model_dump(mode="json"),
        "command": told["command"],
        "best": told["notes"]["best"],
        "metrics": told["metrics"],
        "sha256": told["notes"]["sha256"],
        "finished": told["finished"],
    }
    write_text(path, json.dumps(kept, indent=2) + "\n")


def _whole(path: str) -> int:
    """Return the length in bytes of a file's finished lines."""
    content = Path(path).read_bytes()
    return content.rfind(b"\n") + 1


def read(path: Path, kind: str | None = None) -> list[Record]:
    """Return the records in a file, of one kind or of all; none where there is no such file.

    An unfinished last line, left by a killed writer, is no record.

    Raises:
        InputError: a line is no record; the sentence names file, line and key.
    """
    if not path.is_file():
        return []
    lines = path.read_bytes()[: _whole(str(path))].splitlines()
    records = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            plain = read_json(line)
        except ValueError as error:
            raise InputError(f"{path}, line {number}: no JSON: look at its quotes and brackets.") from error
        try:
            record = Record.model_validate(plain)
        except ValidationError as error:
            raise InputError(first_error(error, f"{path}, line {number}: no record")) from error
        if kind is None or record.kind == kind:
            records.append(record)
    return records


def committed(kind: str | None = None, folder: Path = FOLDER) -> list[Record]:
    """Return every record in a folder, by default `training/records/`, by file and line.

    Raises:
        InputError: a line is no record.
    """
    return [record for path in sorted(folder.glob("*.jsonl")) for record in read(path, kind)]


def from_root(path: str | Path) -> str:
    """Return a configuration's path as records tell it: from the checkout's root, where it lies there."""
    root, full = FOLDER.parent.parent, Path(path).resolve()
    return full.relative_to(root).as_posix() if full.is_relative_to(root) else Path(path).as_posix()
