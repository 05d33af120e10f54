"""Repeat the run of a record: the same configuration, overrides and seed, old numbers beside new."""

from __future__ import annotations

import math
import shlex
import subprocess  # nosec B404: repeats a run by its own command; argument list, no shell
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.errors import EngineError, InputError
from engine.files.root import ROOT
from training.ablation.plan import variants
from training.ablation.runs import KIND, AblationRun, perform
from training.cascade.train import train
from training.data.readers import load_archive
from training.defaults.complete import complete
from training.records.record import Record, config_hash, configured, read
from training.results.claims.claim import columns
from training.schema.config import Config
from training.schema.older import leaves_open


def find(records: Sequence[Record], id: str) -> Record:
    """Return the record of an id.

    Raises:
        InputError: there is none, or more than one.
    """
    matching = [r for r in records if r.id == id]
    if not matching:
        near = [r.id for r in records if id in r.id]
        told = f" (there are: {', '.join(near[:5])})" if near else ""
        raise InputError(f"--rerun: there is no record {id}{told}.")
    if len(matching) > 1:
        raise InputError(f"--rerun: {len(matching)} records are called {id}.")
    return matching[0]


def rerun(record: Record, tell: Callable[[str], None]) -> dict[str, dict[str, float | None]]:
    """Do a record's run again and return its metrics.

    Ablations and trainings are run here, in a folder that goes away; any other run by its own
    command, which must know `--record`.

    Raises:
        InputError: the configuration has changed since, or the run cannot be repeated.
    """
    if record.config.endswith(".py"):  # a program that needs no configuration
        with tempfile.TemporaryDirectory() as folder:
            return _command(record, Path(folder))
    config = configured(ROOT / record.config, record.overrides, record.seed)
    if record.kind == KIND and leaves_open(config):
        config = complete(config, load_archive(config)).config
    now = config_hash(config)
    if now != record.hash:
        tell(f"The configuration has changed since: its hash was {record.hash[:8]} and is {now[:8]}.")
    with tempfile.TemporaryDirectory() as folder:
        if record.kind == KIND:
            return _ablation(record, config, Path(folder))
        if record.kind == "training":
            package = train(config, Path(folder), command=record.command, further=True)
            return package.card.raw["metrics"]
        return _command(record, Path(folder))


def _ablation(record: Record, config: Config, folder: Path) -> dict[str, dict[str, float | None]]:
    plain = configured(ROOT / record.config, {})
    name = record.notes.get("variant")
    variant = next((v for v in variants(plain, record.steps) if v.name == name), None)
    if variant is None:
        raise InputError(f"--rerun: the ablation of {record.config} has no variant {name} any more.")
    run = AblationRun(variant, config)
    return perform(run, load_archive(plain), ROOT / record.config, folder / "run").metrics


def _command(record: Record, folder: Path) -> dict[str, dict[str, float | None]]:
    words = shlex.split(record.command)
    if words[:2] != ["python", "-m"] or not words[2].startswith("training."):
        raise InputError(f"--rerun: {record.id} was made by another program: {record.command}")
    file = folder / "records.jsonl"
    words = [sys.executable, *words[1:]]
    if "--record" in words:
        words[words.index("--record") + 1] = str(file)
    else:
        words += ["--record", str(file)]
    try:
        subprocess.run(words, check=True, cwd=ROOT)  # nosec B603: no shell; this interpreter
    except subprocess.CalledProcessError as error:
        raise EngineError(f"{shlex.join(words)} failed with exit status {error.returncode}.") from error
    made = [r for r in read(file) if r.kind == record.kind and r.hash == record.hash]
    if not made:
        raise EngineError(f"{shlex.join(words)} left no record of kind {record.kind}.")
    return made[-1].metrics


def side_by_side(record: Record, again: dict[str, dict[str, float | None]]) -> str:
    """Return old and new numbers as text, a row for each case and metric."""
    rows = [["case", "metric", "recorded", "again", "difference"]]
    for case, values in record.metrics.items():
        for metric, old in values.items():
            new = again.get(case, {}).get(metric)
            rows.append([case, metric, _text(old), _text(new), _difference(old, new)])
    return columns(rows)


def _text(value: float | None) -> str:
    return "none" if value is None or not math.isfinite(value) else f"{value:.6g}"


def _difference(old: float | None, new: float | None) -> str:
    if old is None or new is None:
        return ""
    return f"{(new - old) / abs(old):+.2%}" if old else f"{new - old:+.3g}"
