"""A training from data set to package: the trainer run, its progress told, its scores recorded."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import yaml

from engine.files.atomic import write_text
from engine.nets.spec import NetworkSpec
from engine.package.folder import Package
from engine.specs import SpreadSpec
from training.bias.corrected import corrected_archive
from training.bias.strength import best_strength
from training.data.archive import Archive
from training.data.readers import load_archive
from training.data.split import Split, check_truth, split_archive
from training.defaults.complete import completed
from training.defaults.members import JUDGED
from training.defaults.network import known_truth
from training.evaluation.base_choice import base_in_words
from training.evaluation.cases import base_case, baseline_cases, model_cases
from training.evaluation.member_spread import spread_of
from training.evaluation.neighbourhood import neighbourhood_cases
from training.evaluation.scores import Score, Scoring, plan_scores, score_together
from training.evaluation.tables import table
from training.records.record import record_of, run_id, write_run
from training.schema.config import Config
from training.trainer import distributed, packaging
from training.trainer.draws import Draws
from training.trainer.progress import Progress
from training.trainer.refit.all_data import AllData, all_data, as_shipped, refits
from training.trainer.refit.last_training import stand_about, steps_of, steps_worth, trainer_of
from training.trainer.trainer import CHECKPOINT, LOG, Trainer
from training.trainer.validation import ENSEMBLE, free_and_conserved

CONFIGURATION = "config.yaml"  # with all that was chosen: to start from, when one says more oneself


def train_network(
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
    given = load_archive(config)
    config = completed(config, given, quiet)
    split = split_archive(config, given)
    archive, correction = corrected_archive(config, given, split)
    if correction is not None and not quiet:
        print(correction.in_words)
    folder = runs / config.model.id
    trainer = fit(config, archive, split, folder, resume, quiet)
    best = trainer.best
    write_configuration(config, folder)
    if not quiet:
        print(f"Weights of step {best['step']}.")
    _settle(trainer, quiet)
    network = trainer.network
    if config.ensemble is not None:
        network = replace(network, noise_gain=config.ensemble.gain)
    spread = _spread(trainer, network, quiet)
    shipped = AllData(config, archive, split, correction)
    if refits(config):
        _write(folder / JUDGED, shipped, trainer, network, {}, command, None)
        trainer, shipped = refit(trainer, config, given, folder, resume, quiet)
    elif config.ensemble is not None and config.ensemble.about is not None:
        stand_about(trainer, config.ensemble.about)
        shipped = all_data(config, given)
    if not quiet:
        print("Scoring on the test data.")
    scores = _test(shipped, trainer, network, further, spread)
    metrics = {s.case.name: _numbers(s) for s in scores}
    if not quiet:
        print(table(scores, archive.units))
    told = replace(shipped, config=config)
    package = _write(output or folder / "package", told, trainer, network, metrics, command, spread)
    notes = {"best": best, "sha256": package.sha256}
    name, numbers = run_id(config.model.id, config), package.card.raw["metrics"]
    record = record_of(name, "training", config, folder, command, numbers, notes=notes)
    write_run(folder / "record.json", record, config)
    return package


def refit(
    judged: Trainer, config: Config, given: Archive, folder: Path, resume: bool, quiet: bool
) -> tuple[Trainer, AllData]:
    """Train once more, on what was held out too, and take over what that has judged.

    Args:
        judged: the trainer of the first training, at its end, its share and strength settled.
        config: of that, complete.
        given: the archive as it is given.
        folder, resume, quiet: of the run.

    Raises:
        InputError, EngineError: as `fit`.
    """
    first = distributed.processes().first
    worth = steps_worth(folder / LOG, config.judged_by) if first else 0
    worth = distributed.of_first([worth], judged.device)[0]
    seen = [known_truth(one, given).cells for one in (config, as_shipped(config))]
    steps = steps_of(worth, *seen)
    data = all_data(config, given, steps)
    if not quiet:
        print(f"Training once more, on what was held out too, for {steps} steps.")
    trainer = trainer_of(judged, data, folder)
    goes_on = resume and (trainer.folder / CHECKPOINT).is_file()
    again = "Training once more, on all data"
    fit(data.config, data.archive, data.split, trainer.folder, goes_on, quiet, trainer, again)
    trainer.base = replace(trainer.base, residual=judged.base.residual)
    trainer.target = replace(trainer.target, strength=judged.target.strength)
    return trainer, data


def _settle(trainer: Trainer, quiet: bool) -> None:
    """Take the share of the residual and the conservation strength that are best on what is held out."""
    if trainer.base.weights:
        share = trainer.residual_share(quiet)
        trainer.base = replace(trainer.base, residual=share)
        if not quiet:
            print(f"Share of the network's residual that is shipped: {share:.2f}.")
    _settle_strength(trainer, quiet)
    if trainer.config.target.strength == "auto" and not quiet:
        print(f"Conservation strength that is shipped: {trainer.target.strength:g}.")


def _write(
    folder: Path,
    data: AllData,
    trainer: Trainer,
    network: NetworkSpec,
    metrics: dict[str, dict[str, float]],
    command: str,
    spread: SpreadSpec | None,
) -> Package:
    """Write a trainer's best weights as a package."""
    return packaging.write(
        folder,
        data.config,
        data.archive,
        trainer.target,
        trainer.sources,
        network,
        trainer.best_weights,
        metrics,
        command,
        trainer.base,
        data.correction,
        data.split.domain,
        trainer.base_choice.regression,
        spread,
    )


def write_configuration(config: Config, folder: Path) -> None:
    """Leave the complete configuration in a run's folder."""
    settings = config.model_dump(mode="json", exclude={"device"})
    write_text(folder / CONFIGURATION, yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))


def _settle_strength(trainer: Trainer, quiet: bool) -> None:
    """Take the conservation strength with which the best weights err least on validation dates.

    So it is where the configuration leaves it open and validation is apart from training; elsewhere it stays
    what the weights were trained with.
    """
    if trainer.config.target.strength != "auto" or not trainer.split.held_out:
        return
    block = trainer.config.sampling.withheld_months
    held = trainer.downscaler(trainer.best_weights)
    pairs = free_and_conserved(held, trainer.whole, trainer.split, block, quiet)
    trainer.target = replace(trainer.target, strength=best_strength(pairs))


def _spread(trainer: Trainer, network: NetworkSpec, quiet: bool) -> SpreadSpec | None:
    """Return, and tell, how far members are to stand out, where anything is held out to judge by."""
    if trainer.config.ensemble is None:
        return None
    shipped = trainer.downscaler(trainer.best_weights, network)
    spread = spread_of(shipped, trainer.whole, trainer.split, trainer.config.sampling.withheld_months)
    if spread is None and not quiet:
        print("The members' spread stays as it was learned: no data are held out to judge it by.")
    if spread is not None and not quiet:
        for names, factor in spread.factors:
            beside = ", ".join(sorted(names)) or "no source"
            print(f"With {beside} members stand out {factor:.2f} times as far.")
    return spread


def _test(
    data: AllData, trainer: Trainer, network: NetworkSpec, further: bool, spread: SpreadSpec | None
) -> list[Score]:
    """Return the scores of the simple methods and of the best weights on the test region."""
    config, archive, split = data.config, data.archive, data.split
    shipped = trainer.downscaler(trainer.best_weights, network)
    shipped.spread = spread or shipped.spread
    draws = Draws(shipped)
    cases = baseline_cases(config.factor, trainer.target, split.test_view, archive.sources)
    cases += neighbourhood_cases(archive, split, trainer.target)
    cases += base_case(config.model.id, shipped.base, trainer.base, split.test_view, trainer.device)
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
    scoring = Scoring(plan_scores(archive, split.test, further), members)
    described = [(case, trainer.target) for case in cases]
    return [scored[0] for scored in score_together(described, archive, split.test, scoring)]


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
    phase: str = "",
) -> Trainer:
    """Train in a run folder; the trainer returned holds the best weights.

    `trainer`: one made before, for this folder. `phase`: what is trained, for those who follow.

    Raises:
        InputError, EngineError: as `train`.
    """
    first = distributed.processes().first
    if not resume and first:
        _set_aside(folder)
    trainer = trainer or Trainer(config, archive, split, folder)
    check_truth(archive, split)
    if resume:
        trainer.restore()
    else:
        seconds = trainer.measure_plan()
        if not quiet:
            for plan, taken in seconds.items():
                print(f"A step takes {taken:.2f} s in {plan}.")
            print(f"Training in {trainer.plan}, on {trainer.device}.")
    if not quiet:
        parameters = sum(p.numel() for p in trainer.model.generator.parameters())
        if split.domain is not None:
            print(split.domain.told)
        print(base_in_words(trainer.base_choice))
        print(f"Generator: {parameters} parameters, halo {trainer.halo} coarse cells. Run folder: {folder}")
    if not first:
        trainer.run(lambda step, losses, scores: None)
        return trainer
    every = config.validation.every
    phase = phase or ("Training" if config.ensemble is None else "Training what draws members")
    told = (folder, trainer.step_number, config.steps, quiet, every, phase, config.judged_by)
    with Progress(*told) as progress:
        trainer.run(progress.report)
    if trainer.step_number < config.steps and not quiet:
        stopped = f"Stopped after step {trainer.step_number}: no better on what is held out since step"
        print(f"{stopped} {trainer.best['step']}.")
    return trainer


def _set_aside(folder: Path) -> None:
    """Move an older run of the same name out of the way; nothing is lost."""
    if not (folder / CHECKPOINT).exists() and not (folder / LOG).exists():
        return
    number = 1
    while (older := folder.with_name(f"{folder.name}.{number}")).exists():
        number += 1
    os.replace(folder, older)
