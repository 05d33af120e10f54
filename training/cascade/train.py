"""Train a cascade: its data set one level up for each step, one fit, scores of each step, a package."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from engine.errors import Cancelled, EngineError, InputError
from engine.files.atomic import new_folder
from engine.package.folder import CARD_FILE, Package, find_package
from engine.specs import SourceSpec
from training.cascade.fading import UNMEASURED, Fading, measurable, measured_fading
from training.cascade.trainer import CascadeLevel, CascadeTrainer, load_levels
from training.console.followed import followed
from training.console.kept_inputs import check_kept, check_replaceable
from training.console.sole_writer import sole_writer
from training.data.archive import Archive, crop
from training.data.normalisation import value_range
from training.data.readers import check_options
from training.data.split import check_truth
from training.data.store import as_given
from training.defaults.complete import completed
from training.defaults.members import members_of, wants_members
from training.evaluation.cases import baseline_cases
from training.evaluation.predict import Case
from training.evaluation.scores import Score, Scoring, plan_scores, score
from training.evaluation.tables import table
from training.schema.cascade import order_of_steps
from training.schema.config import Config, load_config
from training.trainer import packaging
from training.trainer.distributed import processes
from training.trainer.draws import Draws
from training.trainer.run import CONFIGURATION, fit, train_network, write_configuration
from training.trainer.trainer import CHECKPOINT

FADING = "fading"  # folder, in the run's, of the trainings that tell how the detail fades
MEMBERS = "members"  # folder, in the run's, of the training of what draws members


def load_data(config: Config) -> tuple[Archive, list[CascadeLevel]]:
    """Return the data set as it is given, and one level up for each step.

    Raises:
        InputError: it is no store, has a fine truth, or fine sources of another factor.
    """
    if config.data.name != "store":
        raise InputError("cascade: only a store of training.prepare can be taken one level up.")
    options = dict(config.data.options)
    region = options.pop("region", None)
    check_options(as_given, options)
    given = as_given(**options)
    if given.factor != config.factor:
        raise InputError(f"factor: the store has factor {given.factor}, not {config.factor}.")
    if "climatology" in given.sources:
        raise InputError("cascade: the store has a fine truth, learn from that: leave cascade out.")
    return given if region is None else crop(given, region), load_levels(config)


def train_cascade(
    config: Config, runs: Path, output: Path | None, resume: bool, command: str, quiet: bool
) -> Package:
    """Train a cascade to its end, score each step on the test times, write the package.

    Args, Raises: as `training.trainer.run.train`.
    """
    given, levels = load_data(config)
    folder, first = runs / config.model.id, levels[0]
    config = completed(config, first.archive, quiet)
    section = config.cascade
    if section is not None and section.shrink and not measurable(levels):
        print(UNMEASURED, file=sys.stderr)  # before the long work
    trainer = CascadeTrainer(levels, folder)
    for level in levels:
        check_truth(level.archive, level.split)
    fit(first.config, first.archive, first.split, folder, resume, quiet, trainer)
    write_configuration(config, folder)
    metrics: dict[str, dict[str, float]] = {}
    outdone = ""
    for level in levels:
        model = trainer.model_of(level.step, trainer.best_weights)
        name, view, target = config.model.id, level.split.test_view, trainer.target
        cases = baseline_cases(level.step, target, view, level.archive.sources)
        cases.append(Case(name, name, Draws(model), model.halo, view, target.strength))
        scoring = Scoring(plan_scores(level.archive, level.split.test))
        scores = [score(case, level.archive, level.split.test, target, scoring) for case in cases]
        for row in scores:
            numbers = {f"{metric}_{level.step}": value for metric, value in row.values.items()}
            metrics.setdefault(row.case.name, {}).update(numbers)
        if not quiet:
            print(f"Test times, one level up, ×{level.step}, at the scale that was learned, not below it:")
            print(table(scores, given.units))
        outdone = outdone or outdone_by(scores, name, given.units)
    fading = _fading(config, given, levels, folder, resume, quiet)
    doubt = outdone
    if fading is not None and not any(fading.shares):
        doubt = fading.in_words()[-1]  # told
    elif outdone:
        print(outdone, file=sys.stderr)
    if doubt:  # whoever uses the model is to know it too
        named = config.model
        said = f"{named.description or f'{named.name}.'} {doubt}"
        config = config.model_copy(update={"model": named.model_copy(update={"description": said})})
    return packaging.write(
        output or folder / "package",
        config,
        given,
        replace(trainer.target, range=value_range(given.coarse, first.split.train.times)),
        tuple(replace(s, range=_range_of(s, given, first.split.train.times)) for s in trainer.sources),
        trainer.network,
        trainer.best_weights,
        metrics,
        command,
        fading=None if fading is None else fading.entry(),
    )


def outdone_by(scores: Sequence[Score], name: str, units: str) -> str:
    """Return in a sentence which simple method errs less than the cascade of that name; "" for none."""
    own = next(row.values["rmse"] for row in scores if row.case.name == name)
    best = min((row for row in scores if row.case.name != name), key=lambda row: row.values["rmse"])
    error = best.values["rmse"]
    if not error < own:
        return ""
    return (
        f"At the scale that was learned {best.case.title} errs less than the cascade, {error:.3g} against "
        f"{own:.3g} {units}".rstrip()
        + f": take {best.case.name.split('-')[0]}, or sharpen."
    )


def _range_of(spec: SourceSpec, given: Archive, times: Sequence[int]) -> tuple[float, float] | None:
    """Return a source's range as it is given: a cascade uses it below the scale that it was averaged to."""
    source = given.sources[spec.name]
    if not spec.traits.scalar:
        return None
    return value_range(source.array, times if source.dynamic else [0])


def _fading(
    config: Config, given: Archive, levels: list[CascadeLevel], folder: Path, resume: bool, quiet: bool
) -> Fading | None:
    """Return what the cascade's detail is worth further down, and tell it; None where it is not asked for."""
    section = config.cascade
    if section is None or not section.shrink:
        return None
    kept, work = folder / FADING, followed()
    if work is not None:
        work.begin("Measuring how the detail fades")
    if not resume and kept.is_dir():
        shutil.rmtree(kept)

    def report(done: int, count: int) -> None:
        if work is not None:
            work.tell(done / count)
        if not quiet:
            print(f"Measured how the detail fades: level {done} of {count}.", flush=True)

    fading = measured_fading(given, levels, order_of_steps(config.factor, section.steps), kept, report)
    *measured, conclusion = fading.in_words()
    if not quiet:
        for sentence in measured:
            print(sentence)
    if any(fading.shares):
        if not quiet:
            print(conclusion)
    else:
        print(conclusion, file=sys.stderr)
    return fading


def train(
    config: Config,
    runs: Path,
    output: Path | None = None,
    resume: bool = False,
    command: str = "",
    quiet: bool = False,
    further: bool = False,
) -> Package:
    """Train what a configuration describes, a cascade or one network, to its package.

    Args, Raises: as `training.trainer.run.train_network`; also where another process trains in the folder.
    """
    package = output or runs / config.model.id / "package"
    check_replaceable(package, CARD_FILE, "model package")
    if config.start_from is not None:
        check_kept([package], [find_package(config.start_from).folder])
    work = followed()
    if work is not None:
        work.expect(2 if config.cascade is not None else 3 if wants_members(config) else 1)
    with sole_writer(runs / config.model.id, "training in"):
        if config.cascade is not None:
            return train_cascade(config, runs, output, resume, command, quiet)
        made = train_network(config, runs, output, resume, command, quiet, further)
        if not wants_members(config):
            return made
        return _with_members(made, config, runs, package, resume, command, quiet, further)


def _with_members(
    made: Package,
    config: Config,
    runs: Path,
    output: Path,
    resume: bool,
    command: str,
    quiet: bool,
    further: bool,
) -> Package:
    """Train what draws members about a model's estimate, and put it into the model's place.

    Where it cannot be, the model stays as it is, and why is said.
    """
    folder = runs / config.model.id
    complete = load_config(folder / CONFIGURATION).on(config.device)
    estimate = folder / "estimate"
    try:
        if processes().count > 1:
            raise InputError("they are trained in one process alone: start from the package for them")
        second = members_of(complete, estimate)
        if second is None:
            raise InputError("no data are held out to judge their spread by")
        with new_folder(estimate) as fresh:
            shutil.copytree(made.folder, fresh)
        if not quiet:
            print("Training what draws members about this estimate, which stays.")
        goes_on = resume and (folder / MEMBERS / config.model.id / CHECKPOINT).is_file()
        return train_network(second, folder / MEMBERS, output, goes_on, command, quiet, further)
    except Cancelled:
        raise
    except EngineError as error:
        print(f"The model draws no members: {error}", file=sys.stderr)
        return made
