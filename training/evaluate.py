"""`python -m training.evaluate CONFIG.yaml | --model ID|FOLDER`: simple methods beside the model."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from engine.errors import InputError
from engine.methods.model import load_model
from engine.package import Package, find_package
from training.commands import main
from training.config import Config, load_config, parse_config
from training.data import load_archive
from training.data.archive import Archive
from training.maps import draw
from training.scores import Case, Score, baseline_cases, model_cases, score
from training.split import Split, split_archive
from training.statistics import target_spec
from training.tables import further_table, table


def evaluate(
    config: Config,
    archive: Archive,
    split: Split,
    package: Package | None,
    keep: bool = False,
    further: bool = False,
) -> list[Score]:
    """Score every simple method that the split allows, and a model, on the test months.

    Args:
        config, archive, split: what is tested on what.
        package: the model; None: simple methods alone.
        keep: keep the fields, for maps.
        further: take every metric there is.
    """
    target = package.card.target if package else target_spec(config, archive, split)
    cases = baseline_cases(config.factor, target, split.test_view, archive.sources)
    if package is not None:
        cases += _model_cases(package, split)
    return [score(case, archive, split.test, target, keep, further=further) for case in cases]


def _model_cases(package: Package, split: Split) -> list[Case]:
    method = load_model(package, torch.device("cpu"), precision="float32")
    return model_cases(
        package.card.id,
        method.predict,
        method.halo,
        split.test_view,
        method.sources,
        method.target.strength,
    )


def find(config: Config, wanted: str | None) -> Package | None:
    """Return the model to test: the one asked for, else the installed one of the configuration's id.

    Raises:
        InputError: the model asked for does not exist, or has another factor.
    """
    if wanted is None:
        try:
            return find_package(config.model.id)
        except InputError:
            return None
    package = find_package(wanted)
    if package.card.factor != config.factor:
        raise InputError(
            f"The model {package.card.id} has the factor {package.card.factor}, but the configuration has "
            f"{config.factor}."
        )
    return package


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate",
        description="Print RMSE, MAE, bias, Jensen–Shannon distance and conservation residual of the simple "
        "methods and of a model on the configuration's test months, all through the engine.",
    )
    parser.add_argument("config", nargs="?", help="training configuration (default: the model's own)")
    parser.add_argument(
        "--model", help="id or folder of a package (default: the configuration's id, if installed)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    parser.add_argument(
        "--all-metrics",
        action="store_true",
        help="also correlation, efficiencies, distributions, high quantiles, spectra, FSS and SSIM",
    )
    parser.add_argument("--maps", type=Path, metavar="OUT.png", help="draw maps of one test month")
    parser.add_argument("--month", type=int, help="month of the maps (default: the first test month)")
    options = parser.parse_args(arguments)
    if options.config is None and options.model is None:
        raise InputError("Give a configuration, or a model with --model.")
    if options.config is not None:
        config = load_config(options.config)
        package = find(config, options.model)
    else:
        package = find_package(options.model)
        settings = package.card.raw["training"].get("configuration")
        if settings is None:
            raise InputError(f"The card of {package.card.id} holds no configuration: give one.")
        config = parse_config(settings, f"the card of {package.card.id}")
    archive = load_archive(config)
    split = split_archive(config, archive)
    time = None
    if options.month is not None:
        times = [t for t in split.test.times if int(archive.months[t]) == options.month]
        if not times:
            raise InputError(f"--month: {options.month} is no test month of this configuration.")
        time = times[0]
    if package is None and not options.json:
        print(f"No model {config.model.id} is installed: simple methods alone.", file=sys.stderr)
    scores = evaluate(config, archive, split, package, options.maps is not None, options.all_metrics)
    if options.maps is not None:
        shown = [s for s in scores if s.case.strength > 0]
        draw(options.maps, archive, split.test, shown, time)
    if options.json:
        methods = {s.case.name: s.values for s in scores}
        print(
            json.dumps(
                {"model": package.card.id if package else None, "units": archive.units, "methods": methods}
            )
        )
    else:
        print(table(scores, archive.units))
        if options.all_metrics:
            print(further_table(scores, archive.units))
        if options.maps is not None:
            print(f"Maps: {options.maps}")
    return 0


if __name__ == "__main__":
    main(run)
