"""`python -m training.train CONFIG.yaml`: train a model and write its package."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from engine.errors import InputError
from engine.nets.downscaler import Downscaler
from engine.package import Package
from training import distributed, packaging
from training.cases import baseline_cases, model_cases
from training.commands import main
from training.config import Config, load_config
from training.data import load_archive
from training.data.archive import Archive
from training.draws import Draws
from training.loop import CHECKPOINT, LOG, Losses, Trainer
from training.records import append, record_of, run_id
from training.scores import Score, plan_scores, score_together
from training.split import Split, split_archive
from training.tables import table
from training.validation import ENSEMBLE


def train(
    config: Config,
    runs: Path,
    output: Path | None = None,
    resume: bool = False,
    command: str = "",
    quiet: bool = False,
    further: bool = False,
) -> Package:
    """Train a model to its end.

    Args:
        config: what to train.
        runs: folder for runs; this one's is named after the model's id.
        output: folder of the package; by default `package` in the run's folder.
        resume: go on from the run's checkpoint.
        command: that is written to the card.
        quiet: no progress bar and no table.
        further: take every metric there is, not only those of the table.

    Returns:
        The package, test scores in its card.

    Raises:
        InputError: configuration, data or checkpoint are wrong.
        EngineError: a loss is not finite.
    """
    if config.cascade is not None:
        from training.cascade import train_cascade  # which trains with `fit`

        return train_cascade(config, runs, output, resume, command, quiet)
    archive = load_archive(config)
    split = split_archive(config, archive)
    folder = runs / config.model.id
    trainer = fit(config, archive, split, folder, resume, quiet)
    weights, best = trainer.best_weights, trainer.best
    if not quiet:
        print(f"Weights of step {best['step']}. Scoring the test months.")
    network = trainer.network
    if config.ensemble is not None:
        network = replace(network, noise_gain=config.ensemble.gain)
    shipped = Downscaler(trainer.target, trainer.sources, network)
    shipped.generator.load_state_dict(weights)
    shipped.eval()
    draws = Draws(shipped)
    cases = baseline_cases(config.factor, trainer.target, split.test_view, archive.sources)
    cases += model_cases(
        config.model.id,
        draws,
        shipped.halo,
        split.test_view,
        trainer.sources,
        trainer.target.strength,
        draws if shipped.ensemble else None,
    )
    members = config.ensemble.validated if config.ensemble is not None else 0
    plan = plan_scores(archive, split.test, further)
    described = [(case, trainer.target) for case in cases]
    scores = [found[0] for found in score_together(described, archive, split.test, plan, members)]
    metrics = {s.case.name: _numbers(s) for s in scores}
    if not quiet:
        print(table(scores, archive.units))
    package = packaging.write(
        output or folder / "package",
        config,
        archive,
        trainer.target,
        trainer.sources,
        network,
        weights,
        metrics,
        command,
    )
    _record(folder, config, command, best, package)
    return package


def _numbers(score: Score) -> dict[str, float]:
    """Return a score's numbers for the card; those of its members, where there are any, among them."""
    drawn = {name: float(score.ensemble[name].compute()) for name in ENSEMBLE if name in score.ensemble}
    return {**score.values, **drawn}


def fit(
    config: Config,
    archive: Archive,
    split: Split,
    folder: Path,
    resume: bool = False,
    quiet: bool = False,
    trainer: Trainer | None = None,
) -> Trainer:
    """Train in a run folder; the trainer returned holds the best weights.

    `trainer`: one made before, for this folder.

    Raises:
        InputError, EngineError: as `train`.
    """
    from torch.utils.tensorboard import SummaryWriter
    from tqdm import tqdm

    first = distributed.processes().first
    if not resume and first:
        _set_aside(folder)
    trainer = trainer or Trainer(config, archive, split, folder)
    if resume:
        trainer.restore()
    else:
        seconds = trainer.measure_plan()
        if not quiet:
            for plan, taken in seconds.items():
                print(f"A step takes {taken:.2f} s in {plan}.")
            print(f"Training in {trainer.plan}.")
    if not quiet:
        parameters = sum(p.numel() for p in trainer.model.generator.parameters())
        print(f"Generator: {parameters} parameters, halo {trainer.halo} coarse cells. Run folder: {folder}")
    if not first:
        trainer.run(lambda step, losses, scores: None)
        return trainer
    board = SummaryWriter(str(folder / "tensorboard"), purge_step=trainer.step_number)
    bar = tqdm(
        total=config.steps,
        initial=trainer.step_number,
        unit="step",
        disable=quiet,
        file=sys.stderr,
        smoothing=0.05,
    )

    def report(step: int, losses: Losses, scores: dict[str, float] | None) -> None:
        board.add_scalar("rate", losses.rate, step)
        for name, value in losses.terms.items():
            board.add_scalar(f"loss/{name}", value, step)
        if scores is not None:
            for name, value in scores.items():
                board.add_scalar(f"validation/{name}", value, step)
            if not quiet:
                told = ", ".join(f"{name} {value:.4g}" for name, value in scores.items())
                bar.write(f"step {step}: validation {told}", file=sys.stderr)
        bar.set_postfix_str(f"loss {losses.terms['total']:.4f}", refresh=False)
        bar.update(1)

    try:
        trainer.run(report)
    finally:
        bar.close()
        board.close()
    return trainer


def _set_aside(folder: Path) -> None:
    """Move an older run of the same name out of the way; nothing is lost."""
    if not (folder / CHECKPOINT).exists() and not (folder / LOG).exists():
        return
    number = 1
    while (older := folder.with_name(f"{folder.name}.{number}")).exists():
        number += 1
    os.replace(folder, older)


def _record(
    folder: Path,
    config: Config,
    command: str,
    best: dict[str, float],
    package: Package,
) -> None:
    """Write what came of the run, for whoever compares runs."""
    record = {
        "config": config.model_dump(mode="json"),
        "command": command,
        "best": best,
        "metrics": package.card.raw["metrics"],
        "sha256": package.sha256,
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    temporary = folder / ".record.json.part"
    temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    temporary.replace(folder / "record.json")


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m training.train",
        description="Train a model as a YAML configuration says, and write its package with test scores. "
        "A run that was stopped or killed goes on with --resume, as if it had never stopped. "
        "In N processes: torchrun --nproc-per-node N -m training.train CONFIG.",
    )
    parser.add_argument("config", help="training configuration (YAML), e.g. training/configs/rain_itur.yaml")
    parser.add_argument("--resume", action="store_true", help="go on from the run's last checkpoint")
    parser.add_argument("--output", type=Path, help="folder of the model package (default: RUNS/ID/package)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder for runs (default: runs)")
    parser.add_argument("--threads", type=int, help="processor threads (default: all cores)")
    parser.add_argument("--record", type=Path, metavar="FILE", help="add the test scores to these records")
    parser.add_argument("--quiet", action="store_true", help="print nothing but the package's folder")
    options = parser.parse_args(arguments)
    config = load_config(options.config)
    if options.threads is not None:
        if options.threads < 1:
            raise InputError("--threads must be 1 or more.")
        torch.set_num_threads(options.threads)
    command = f"python -m training.train {Path(options.config).as_posix()}"
    with distributed.joined(torch.device("cpu")) as group:
        if config.cascade is not None and group.count > 1:
            raise InputError("A cascade trains in one process: start it without torchrun.")
        if not group.first:
            archive = load_archive(config)
            folder = options.runs / config.model.id
            fit(config, archive, split_archive(config, archive), folder, options.resume, quiet=True)
            return 0
        package = train(
            config,
            options.runs,
            options.output,
            options.resume,
            command,
            options.quiet,
            further=options.record is not None,
        )
    if options.record is not None:
        name, metrics = run_id(config.model.id, config), package.card.raw["metrics"]
        notes = {"sha256": package.sha256}
        append(
            options.record,
            record_of(name, "training", config, options.config, command, metrics, notes=notes),
        )
    print(package.folder)
    return 0


if __name__ == "__main__":
    main(run)
