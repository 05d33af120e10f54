"""One run of an ablation: a short training, its scores on the test region, its record."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from engine.errors import Cancelled
from engine.nets.downscaler import Downscaler
from engine.specs import SourceSpec, TargetSpec
from training.ablation.plan import DROPOUT, Variant
from training.ablation.withheld import score_by_block, subset_cases
from training.bias.corrected import corrected_archive
from training.console.followed import FollowedWork, followed
from training.data.archive import Archive
from training.data.region import Region
from training.data.split import Split, split_archive
from training.evaluation.predict import Case
from training.records.record import Record, append, config_hash, merged, read, record_of, run_id
from training.schema.config import Config, parse_config
from training.trainer import step_log
from training.trainer.draws import Draws
from training.trainer.precision import TrainingPlan
from training.trainer.trainer import CHECKPOINT, Trainer

KIND = "ablation"
Specs = tuple[TargetSpec, tuple[SourceSpec, ...]]
WHOLE = "test"  # the case of a run that is tested with what it was trained with


@dataclass(frozen=True)
class AblationRun:
    """A variant with a seed, and its own validated configuration."""

    variant: Variant
    config: Config

    @property
    def name(self) -> str:
        """For people: the variant and the seed."""
        return f"{self.variant.name}, seed {self.config.seed}"

    @property
    def id(self) -> str:
        """The record's id."""
        return run_id(f"{self.config.model.id}-ablation-{self.variant.name}", self.config)


def runs_of(config: Config, variants: list[Variant], seeds: tuple[int, ...]) -> list[AblationRun]:
    """Return the runs, seed by seed, so that a stopped ablation has whole rounds.

    Raises:
        InputError: a variant's configuration is wrong, e.g. because of `ablation.overrides`.
    """
    plain = config.model_dump(mode="json")
    return [
        AblationRun(v, parse_config({**merged(plain, v.overrides), "seed": seed}, f"ablation, {v.name}"))
        for seed in seeds
        for v in variants
    ]


def finished(records: Path, runs: list[AblationRun]) -> dict[str, Record]:
    """Return the records of the runs that have one, by the run's id.

    A record is a run's when the configuration hash and the number of tested times are the same.

    Raises:
        InputError: a line of the file is no record.
    """
    known = {(r.hash, r.notes.get("times")): r for r in read(records, KIND)}
    done = {}
    for run in runs:
        record = known.get((config_hash(run.config), run.config.ablation.times))
        if record is not None:
            done[run.id] = record
    return done


def work(
    runs: list[AblationRun],
    archive: Archive,
    path: Path,
    records: Path,
    folder: Path,
    tell: Callable[[str], None],
) -> list[AblationRun]:
    """Do the runs that have no record and that no other process is doing.

    Args:
        runs: to be done.
        archive: the data, the same for all.
        path: of the configuration.
        records: file that each finished run is added to.
        folder: for checkpoints and locks; a run that was killed goes on from there.
        tell: called with a line on each run.

    Returns:
        The runs that other processes are at.
    """
    folder.mkdir(parents=True, exist_ok=True)
    elsewhere: list[AblationRun] = []
    known: dict[str, Specs] = {}
    for run in runs:
        try:
            with FileLock(folder / f"{run.id}.lock").acquire(blocking=False):
                if finished(records, [run]):
                    continue
                record = perform(run, archive, path, folder / run.id, known)
                append(records, record)
                shutil.rmtree(folder / run.id, ignore_errors=True)
                tell(line_of(run, record))
        except Timeout:
            elsewhere.append(run)
    return elsewhere


def line_of(run: AblationRun, record: Record) -> str:
    """Return what is told of a run that is done."""
    rmse = record.metrics[next(iter(record.metrics))]["rmse"]
    return f"{run.name}: RMSE {rmse:.4g}, {record.notes['seconds']:.0f} s"


def perform(
    run: AblationRun, archive: Archive, path: Path, folder: Path, known: dict[str, Specs] | None = None
) -> Record:
    """Train and score one run; a checkpoint in its folder is gone on from.

    Args:
        run: what to do.
        archive, path: see `work`.
        folder: of the run.
        known: statistics of target and sources that earlier runs took; this one adds its own.
    """
    begun = time.monotonic()
    config = run.config
    split = split_archive(config, archive)
    archive, _ = corrected_archive(config, archive, split)
    known = {} if known is None else known
    key = _statistics_of(config)
    trainer = Trainer(config, archive, split, folder, known.get(key))
    known[key] = trainer.target, trainer.sources
    trainer.plan = TrainingPlan(config.precision == "bfloat16", config.layout == "channels_last")
    trainer.use_plan()
    if (folder / CHECKPOINT).is_file():
        trainer.restore()
    work = followed()
    if work is not None:
        before = step_log.totals(folder / step_log.LOG) if trainer.step_number else {}
        work.begin_training(run.name, config.steps, before)
    while trainer.step_number < config.steps:
        losses = trainer.step()
        if work is not None:
            _tell(work, trainer, losses)
        if trainer.step_number % config.checkpoint_every == 0 and trainer.step_number < config.steps:
            trainer.save()
    # The averaged weights of the last step: nothing is chosen by any score.
    trained = trainer.downscaler(trainer.average.weights)
    metrics, blocks = {}, {}
    for case in _cases(run, trained, split):
        scored, errors = score_by_block(case, archive, _tested(config, split), trainer.target)
        metrics[case.name], blocks[case.name] = scored.values, errors.to_json()
    notes: dict[str, Any] = {
        "variant": run.variant.name,
        "groups": sorted(run.variant.groups),
        "times": config.ablation.times,
        "seconds": round(time.monotonic() - begun, 3),
        "blocks": blocks,
    }
    command = f"python -m training.ablate {path.as_posix()} --only {run.variant.name} --seeds {config.seed}"
    if config.steps != config.ablation.steps:
        command += f" --steps {config.steps}"
    return record_of(run.id, KIND, config, path, command, metrics, run.variant.overrides, notes)


def _tell(work: FollowedWork, trainer: Trainer, losses: step_log.Losses) -> None:
    """Tell of a step; a run that is cancelled goes on from here."""
    try:
        work.step(trainer.step_number, losses.terms, None, trainer.config.judged_by, None)
    except Cancelled:
        trainer.save()
        raise


def _statistics_of(config: Config) -> str:
    """Return what the statistics of target and sources depend on, as text."""
    plain = config.model_dump(mode="json")
    parts = [plain[name] for name in ("target", "bias", "sources", "split", "validation")]
    return json.dumps([*parts, config.sampling.withheld_months])


def _cases(run: AblationRun, trained: Downscaler, split: Split) -> list[Case]:
    """Return what is scored: the run as it is, or, of the one with dropout, every subset of groups."""
    whole = Case(WHOLE, WHOLE, Draws(trained), trained.halo, split.test_view, trained.target.strength)
    if run.variant.kind != DROPOUT:
        return [whole]
    return subset_cases(run.config, whole, {s.name for s in run.config.sources if s.optional})


def _tested(config: Config, split: Split) -> Region:
    """Return the test region, with as many times as an ablation tests."""
    most, times = config.ablation.times, split.test.times
    if most is None or most >= len(times):
        return split.test
    chosen = np.unique(np.linspace(0, len(times) - 1, most).round().astype(int))
    return replace(split.test, times=tuple(times[i] for i in chosen))
