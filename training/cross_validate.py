"""`python -m training.cross_validate CONFIG.yaml`: blocked cross-validation inside the training data.

Each block of months (of longitude, of dates) is held out in turn: no step sees its truth, no climatology
holds it. Test dates stay closed. What comes out chooses hyperparameters and the number of steps.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.cluster.parts_request import PartsRequest
from engine.commands.options import Parser, whole
from engine.compute.devices import choose_device
from engine.errors import InputError
from training.console.command import main
from training.console.device import add_device
from training.console.needed import load
from training.data.archive import Archive
from training.data.readers import load_archive
from training.defaults.complete import completed
from training.schema.config import Config, load_config, parse_config
from training.tasks.cluster import add_cluster, cluster_of
from training.trainer.folds.fold import FoldDone, FoldRun, train_fold
from training.trainer.folds.fold_task import train_folds


def folds_of(config: Config) -> list[dict[str, Any]]:
    """Return what each fold holds out, as keys of `validation`.

    Blocks of longitude where the configuration names some, or periods, else its blocks of months, else
    thirds of the training months.

    Raises:
        InputError: a block holds no training month, or all.
    """
    section, months = config.validation, config.split.train_months
    if section.longitude_blocks:
        return [{"held_out_longitudes": list(block)} for block in section.longitude_blocks]
    if section.periods:
        return [{"held_out_periods": [list(period)]} for period in section.periods]
    chosen = section.blocks or tuple(
        tuple(int(m) for m in part) for part in np.array_split(months, min(3, len(months)))
    )
    for block in chosen:
        if not block or not set(block) < set(months):
            raise InputError(f"validation.blocks: {list(block)} is no part of the training months.")
    return [{"held_out": list(block)} for block in chosen]


def cross_validate(
    config: Config, runs: Path, quiet: bool = False, cluster: PartsRequest | None = None
) -> dict[str, Any]:
    """Train once for each block and gather the validation scores.

    A fold that has been finished or begun in `runs` is not done again but gone on with.

    Args:
        config: of the trainings.
        runs: folder for theirs.
        quiet: tell nothing.
        cluster: whose workers train the folds; None: this process, one after the other.

    Returns:
        `folds`: what is held out, best step and its score; `mean`: step → mean of each score over the folds
        (root mean square for RMSE); `best_step`: of the lowest mean score.

    Raises:
        InputError, EngineError: as `training.trainer.run.fit`; or the cluster has gone.
    """
    curves: dict[int, list[dict[str, float]]] = {}
    config, archive = _opened(config, quiet)
    blocks, folds = folds_of(config), []
    for number, held in enumerate(blocks, start=1):
        settings = config.model_dump(mode="json")
        settings["validation"].update({"where": "auto", **held})
        folder = runs / f"{config.model.id}-fold{number}"
        folds.append(FoldRun(number, parse_config(settings, f"fold {number}"), folder))
    made: dict[int, FoldDone] = {}
    if cluster is not None:
        left = [fold for fold in folds if not fold.is_done]

        def tell(line: str) -> None:
            if not quiet:
                print(line, flush=True)

        tell(f"{len(left)} of {len(folds)} folds to train.")
        if left:
            made = {done.number: done for done in train_folds(cluster, left, config, tell)}
    for fold, held in zip(folds, blocks, strict=True):
        if fold.number in made:
            continue
        if not quiet:
            print(f"Fold {fold.number}: without {held}")
        made[fold.number] = train_fold(fold, archive, quiet)
    for number in sorted(made):
        for step, scores in made[number].scores.items():
            curves.setdefault(step, []).append(scores)
    mean = {step: _mean(scores) for step, scores in sorted(curves.items()) if len(scores) == len(folds)}
    score = config.validation.score
    told = [{**held, **made[number].best} for number, held in enumerate(blocks, start=1)]
    return {"folds": told, "mean": mean, "best_step": min(mean, key=lambda step: mean[step][score])}


def _opened(config: Config, quiet: bool) -> tuple[Config, Archive]:
    """Return the configuration with all but what validates, which the folds name, and the data set."""
    archive = load_archive(config)
    if not config.validation.names_something:
        validation = config.validation.model_copy(update={"where": "training"})
        config = config.model_copy(update={"validation": validation})
    return completed(config, archive, quiet), archive


def _mean(scores: Sequence[dict[str, float]]) -> dict[str, float]:
    result = {}
    for name in scores[0]:
        values = np.array([s[name] for s in scores])
        result[name] = float(np.sqrt((values**2).mean()) if name.startswith("rmse") else values.mean())
    return result


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = Parser(
        prog="python -m training.cross_validate",
        description="Train once for each block of training months (longitudes, dates), without it, and print "
        "the scores on it. Run again, it goes on where it was stopped.",
    )
    parser.add_argument("config", help="training configuration (YAML)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder for runs (default: runs)")
    parser.add_argument("--threads", type=whole(1, 4096), help="processor threads (default: all cores)")
    add_cluster(parser, "the folds")
    add_device(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options = parser.parse_args(arguments)
    load("torch.utils.tensorboard")
    wanted = cluster_of(options)
    config = load_config(options.config).on(options.device)
    choose_device(config.device)  # refused before anything long
    if options.threads:
        torch.set_num_threads(max(1, options.threads))
    result = cross_validate(config, options.runs, options.json, wanted)
    if options.json:
        print(json.dumps(result))
        return 0
    for step, scores in result["mean"].items():
        mark = " *" if step == result["best_step"] else ""
        print(f"step {step}: " + ", ".join(f"{n} {v:.4g}" for n, v in scores.items()) + mark)
    return 0


if __name__ == "__main__":
    main(run)
