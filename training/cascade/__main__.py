"""`python -m training.cascade CONFIG.yaml`: cross-validate a cascade; `training.train` trains one.

A cascade learns from a coarse field alone: small steps between coarser scales, one set of weights,
taken again and again down to the fine grid (see `engine.models.cascade`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from engine.commands.options import Parser, whole
from engine.compute.devices import choose_device
from engine.errors import InputError
from training.cascade.train import load_data
from training.cascade.validation import CELLS, CrossValidation, cross_validate
from training.console.command import main
from training.console.device import add_device
from training.defaults.complete import completed
from training.records.record import append, record_of, run_id
from training.schema.config import load_config


def validation_table(outcome: CrossValidation, units: str) -> str:
    """Return the cross-validation as text, best of each column marked with *."""
    metrics = outcome.metrics()
    columns = [(f"rmse_{k}_{where}", f"×{k}, {where}") for where in CELLS for k in outcome.truth]
    width = max(len(title) for title in outcome.titles.values())
    lines = [f"{'RMSE (' + units + ')':<{width}}" + "".join(f"{title:>15}" for _, title in columns)]
    best = {name: min(values[name] for values in metrics.values()) for name, _ in columns}
    for method, title in outcome.titles.items():
        cells = (
            f"{metrics[method][name]:.3f}{'*' if metrics[method][name] == best[name] else ' '}"
            for name, _ in columns
        )
        lines.append(f"{title:<{width}}" + "".join(f"{cell:>15}" for cell in cells))
    count = {k: int(np.isfinite(truth).any(0).sum()) for k, truth in outcome.truth.items()}
    told = ", ".join(f"{n} cells at ×{k} ({int(outcome.covered[k].sum())} covered)" for k, n in count.items())
    return "\n".join([*lines, f"covered: where every fine source is there; {told}; * best"])


def intervals(outcome: CrossValidation, model: str) -> dict[str, dict[str, list[float]]]:
    """Return step and cells → other method → RMSE of the model over the other's: value, low, high."""
    ratios: dict[str, dict[str, list[float]]] = {}
    for step in outcome.truth:
        for where in CELLS:
            ratios[f"{step}_{where}"] = {
                other: [round(v, 5) for v in outcome.against(model, other, step, where)]
                for other in outcome.titles
                if other != model
            }
    return ratios


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = Parser(
        prog="python -m training.cascade",
        description="Cross-validate a cascade at the coarse scale: train once for each block of cells and "
        "year, without them, and score the block in that year beside every simple method and boosted "
        "trees. Run again, it goes on where it was stopped. To train the model itself: training.train.",
    )
    parser.add_argument("config", help="e.g. training/configs/moselle_temperature.yaml")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder for runs (default: runs)")
    parser.add_argument("--fresh", action="store_true", help="train again also the folds that are finished")
    parser.add_argument("--threads", type=whole(1, 4096), default=1, help="processor threads (default: 1)")
    add_device(parser)
    parser.add_argument("--record", type=Path, metavar="FILE", help="add the scores to these records")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    options = parser.parse_args(arguments)
    config = load_config(options.config).on(options.device)
    choose_device(config.device)  # refused before anything long
    if config.cascade is None:
        raise InputError(f"{options.config}: there is no cascade in it.")
    torch.set_num_threads(max(1, options.threads))
    given, levels = load_data(config)
    completed(config, levels[0].archive, options.json)  # as the levels are; told

    def report(done: int, count: int) -> None:
        print(f"Fold {done} of {count}", file=sys.stderr)

    outcome = cross_validate(config, levels, options.runs, report, options.fresh)
    metrics, ratios = outcome.metrics(), intervals(outcome, config.model.id)
    if options.record is not None:
        command = f"python -m training.cascade {Path(options.config).as_posix()} --fresh"
        notes = {
            "model": config.model.id,
            "rmse_ratio": ratios,
            "cells": {str(k): int(np.isfinite(truth).any(0).sum()) for k, truth in outcome.truth.items()},
            "covered": {str(k): int(covered.sum()) for k, covered in outcome.covered.items()},
        }
        name = run_id(f"{config.model.id}-cross-validation", config)
        append(
            options.record,
            record_of(name, "cross_validation", config, options.config, command, metrics, notes=notes),
        )
    if options.json:
        print(json.dumps({"metrics": metrics, "rmse_ratio": ratios}))
        return 0
    print(validation_table(outcome, given.units))
    print("RMSE of the cascade over that of others, with 95 % intervals:")
    for place, others in ratios.items():
        step, where = place.split("_")
        for other, (value, low, high) in others.items():
            print(f"  ×{step}, {where}: {outcome.titles[other]}: {value:.3f} ({low:.3f} to {high:.3f})")
    return 0


if __name__ == "__main__":
    main(run)
