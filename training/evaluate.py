"""`python -m training.evaluate CONFIG.yaml` (or `--model ID`): other methods beside the model."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch

from engine import dates
from engine.commands.options import Parser, whole
from engine.compute.devices import choose_device
from engine.errors import InputError
from engine.package.folder import CARD_FILE, Package, find_package, load_package
from training.bias.corrected import corrected_archive
from training.console.command import main
from training.console.device import add_device
from training.console.kept_inputs import check_kept
from training.console.needed import load
from training.console.sole_writer import sole_writer
from training.data.readers import load_archive
from training.data.region import Region
from training.data.split import split_archive
from training.defaults.complete import complete
from training.evaluation.comparison import MEMBERS, Evaluation, evaluate_all
from training.evaluation.predict import Strip, predict_field
from training.evaluation.recorded import evaluation_record
from training.evaluation.tables import change_table, comparison_table, ensemble_table, further_table, table
from training.figures.maps import draw
from training.records.record import append
from training.report.evaluation_page import write_report
from training.schema.config import Config, load_config, parse_config
from training.schema.older import with_older_meaning
from training.schema.split import day_span
from training.tasks.cluster import add_cluster, cluster_of
from training.trainer.refit.all_data import as_shipped

RUNS = Path("runs")


def find(config: Config, wanted: str | None, runs: Path = RUNS) -> Package | None:
    """Return the model to test.

    It is the one asked for; else the newest package that the configuration's runs have left; else the
    installed one of its id.

    Args:
        config: of the model.
        wanted: id or folder of the one asked for.
        runs: folder for runs.

    Raises:
        InputError: the model asked for does not exist, or it or the run's has another factor.
    """
    if wanted is not None:
        return _checked(find_package(wanted), config)
    trained = trained_package(runs, config.model.id)
    if trained is not None:
        return _checked(load_package(trained), config)
    try:
        return find_package(config.model.id)
    except InputError:
        return None


def trained_package(runs: Path, id: str) -> Path | None:
    """Return the folder of the newest package in the runs of a model, those set aside (ID.1 …) among them."""
    made = [runs / id, *runs.glob(f"{id}.*")]
    cards = [
        run / "package" / CARD_FILE
        for run in made
        if run.name.removeprefix(id).lstrip(".").isdigit() or run.name == id
    ]
    cards = [card for card in cards if card.is_file()]
    return max(cards, key=lambda card: card.stat().st_mtime).parent if cards else None


def _checked(package: Package, config: Config) -> Package:
    if package.card.factor != config.factor:
        raise InputError(
            f"The model {package.card.id} has the factor {package.card.factor}, but the configuration has "
            f"{config.factor}."
        )
    return package


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(
        prog="python -m training.evaluate",
        description="Print RMSE, MAE, bias, Jensen–Shannon distance and conservation residual of the simple "
        "methods, of boosted trees and of a model on the configuration's test times, all through the engine, "
        "and how they compare; write a report with figures.",
    )
    parser.add_argument("config", nargs="?", help="training configuration (default: the model's own)")
    parser.add_argument(
        "--model",
        help="id or folder of a package (default: the newest package of the configuration's runs, else the "
        "installed model of its id)",
    )
    parser.add_argument(
        "--runs", type=Path, default=RUNS, help="folder for runs, as in training.train (default: runs)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    parser.add_argument(
        "--all-metrics",
        action="store_true",
        help="also correlation, efficiencies, distributions, high quantiles, spectra, FSS and SSIM",
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="OUT.html",
        help="write a page of results, and its numbers as CSV and JSON",
    )
    parser.add_argument(
        "--compare",
        action="append",
        default=[],
        metavar="ID|FOLDER",
        help="a further package of the same factor, as a baseline; may be given again",
    )
    parser.add_argument(
        "--change",
        nargs="*",
        metavar="DATE",
        help="also what each method makes of the change to the test dates: of means, quantiles and trends; "
        "from the training dates, or from the dates between two that are given",
    )
    parser.add_argument("--no-trees", dest="trees", action="store_false", help="leave out the boosted trees")
    parser.add_argument(
        "--members",
        type=whole(2, 1000),
        default=MEMBERS,
        help=f"drawn from a model with noise (default: {MEMBERS})",
    )
    parser.add_argument(
        "--seed", type=whole(0, 2**31 - 1), default=0, help="of draws and intervals (default: 0)"
    )
    parser.add_argument("--threads", type=whole(1, 4096), help="processor threads (default: all cores)")
    add_cluster(parser, "the scoring, blocks of test dates")
    add_device(parser)
    parser.add_argument("--record", type=Path, metavar="FILE", help="add the numbers to these records")
    parser.add_argument("--maps", type=Path, metavar="OUT.png", help="draw maps of one test month")
    parser.add_argument(
        "--month", type=whole(1, 12), help="month of the maps (default: the first test month)"
    )
    return parser.parse_args(arguments)


def what_to_test(options: argparse.Namespace) -> tuple[Config, Package | None]:
    """Return the configuration and the model that the command line names.

    Raises:
        InputError: neither is named, the model does not fit, or its card holds no configuration.
    """
    if options.config is None and options.model is None:
        raise InputError("Give a configuration, or a model with --model.")
    if options.config is not None:
        config = load_config(options.config)
        package = find(config, options.model, options.runs)
    else:
        package = find_package(options.model)
        settings = package.card.raw["training"].get("configuration")
        if settings is None:
            raise InputError(f"The card of {package.card.id} holds no configuration: give one.")
        config = parse_config(with_older_meaning(settings), f"the card of {package.card.id}")
    return config, package


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    options = options_of(arguments)
    if options.trees:
        load("sklearn.ensemble")
    if options.maps is not None or options.report is not None:
        load("matplotlib")
    cluster_of(options)  # refused before anything long
    _check_change(options.change)
    if options.record is not None and options.config is None:
        raise InputError("--record: a record names a configuration's file: give one beside it.")
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    config, package = what_to_test(options)
    config = config.on(options.device)
    choose_device(config.device)  # refused before anything long
    compare = [_checked(find_package(wanted), config) for wanted in options.compare]
    packages = [p.folder for p in (package, *compare) if p is not None]
    results = [p for p in (options.maps, options.report) if p is not None]
    beside = [p.with_suffix(s) for p in (options.report,) if p is not None for s in (".csv", ".json")]
    check_kept([*results, *beside], [*packages, *([options.config] if options.config is not None else [])])
    with ExitStack() as held:
        for place in results:
            held.enter_context(sole_writer(place, "writing"))
        return _evaluate(options, config, package, compare)


def _check_change(period: Sequence[str] | None) -> None:
    if not period:
        return
    if len(period) != 2:
        raise InputError("--change: give the first and the last date of the earlier period, or none.")
    for text in period:
        when = dates.find(text)
        if when is None or when.year is None:
            raise InputError(f"--change: {text} is no date with a year (write YYYY-MM-DD, YYYY-MM or YYYY).")
    if day_span(period[0])[0] > day_span(period[1])[1]:
        raise InputError(f"--change: the period {period[0]} to {period[1]} ends before it begins.")


def _evaluate(
    options: argparse.Namespace, config: Config, package: Package | None, compare: Sequence[Package]
) -> int:
    """Score, print, draw and write what the command line asks for."""
    archive = load_archive(config)
    config = as_shipped(complete(config, archive).config)
    split = split_archive(config, archive)
    archive, correction = corrected_archive(config, archive, split, package)
    time = None
    if options.month is not None:
        times = [t for t in split.test.times if int(archive.months[t]) == options.month]
        if not times:
            raise InputError(f"--month: {options.month} is no test month of this configuration.")
        time = times[0]
    if package is None:
        _tell(
            f"There is no model {config.model.id} in {options.runs / config.model.id / 'package'} and none "
            f"installed, so the simple methods stand alone: train it with python -m training.train "
            f"{options.config}, or name its folder with --model."
        )
    elif options.model is None:
        _tell(f"The model is {package.card.id} {package.card.version} in {package.folder}.")
    if correction is not None:
        _tell(correction.in_words)
    evaluation = evaluate_all(
        config,
        archive,
        split,
        package,
        compare,
        trees=options.trees,
        further=options.all_metrics or options.report is not None,
        members=options.members,
        seed=options.seed,
        tell=None if options.json else _tell,
        change=options.change,
        correction=correction,
        cluster=cluster_of(options),
    )
    written = []
    if options.maps is not None:
        draw_maps(options.maps, evaluation, split.test.times[0] if time is None else time)
        written.append(f"Maps: {options.maps}")
    if options.report is not None:
        files = write_report(evaluation, options.report, time)
        written.append(f"Report: {', '.join(str(file) for file in files)}")
    if options.record is not None:
        told = evaluation_record(evaluation, options.config, package, options.compare, options.all_metrics)
        append(options.record, told)
    if options.json:
        print(json.dumps(evaluation.to_json()))
        return 0
    print(table(evaluation.scores, archive.units))
    if options.all_metrics:
        print(further_table(evaluation.scores, archive.units))
    if any(score.members for score in evaluation.scores):
        print(ensemble_table(evaluation.scores, archive.units))
    print(comparison_table(evaluation))
    if evaluation.change is not None:
        print(change_table(evaluation.change, archive.units))
    for line in written:
        print(line)
    return 0


def draw_maps(path: Path, evaluation: Evaluation, time: int) -> None:
    """Draw one time's maps of the methods that conserve; see `training.figures.maps.draw`."""
    archive, columns = evaluation.archive, evaluation.split.test.columns
    drawn = []
    for score in evaluation.scores:
        if score.case.strength > 0 and score.kind == "central":
            target = evaluation.targets[score.case.name]
            field, _ = predict_field(score.case, archive, target, Strip(time, columns))
            drawn.append(replace(score, values=score.measured.dates[time], fields=field.numpy()))
    draw(path, archive, Region((time,), columns), drawn)


def _tell(text: str) -> None:
    """Say what happens; standard output is for the results."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(run)
