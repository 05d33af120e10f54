"""The last training of a model that held-out data have judged: once more, on those data too.

How long to train, what share of the residual to ship and how far members spread is judged on data that
training has not seen; where data are few they are missed there. So what is shipped learns from all of them,
with what was judged (the final fit on all training data, as after cross-validation: Hastie, Tibshirani &
Friedman 2009, The Elements of Statistical Learning, 7.10).
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.errors import InputError
from engine.models.regression_file import read_regression
from engine.package.folder import find_package
from engine.specs import BaseSpec
from training.trainer.refit.all_data import AllData
from training.trainer.trainer import Trainer

FOLDER = "refit"  # of the second training, in the run's
AS_GOOD = 0.02  # of the best score: what single validations on few data differ by


def trainer_of(judged: Trainer, data: AllData, folder: Path) -> Trainer:
    """Return the trainer of a last training: scales of values and base are those of the judged one.

    So a flow that was trained beside the judged estimate fits the last one. The judged one's inputs are
    let go.
    """
    judged.fields.release()
    base = replace(judged.base, residual=1.0)
    specs = judged.target, judged.sources
    return Trainer(data.config, data.archive, data.split, folder / FOLDER, specs, base)


def steps_of(worth: int, before: int, after: int) -> int:
    """Return the steps in which `after` cells of truth are seen as often as `before` were in `worth`."""
    return max(1, round(worth * after / max(before, 1)))


def steps_worth(log: Path, wanted: str) -> int:
    """Return the last step of a run whose validation was as good as the best, but for `AS_GOOD`.

    Where more steps do no harm there, data that are few need them; where they do, training ends before.

    Args:
        log: of the run.
        wanted: the score that judges, as `rmse`.
    """
    scores = {}
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            told = record.get("validation")
            if told:
                own = [value for name, value in told.items() if name.split("_")[0] == wanted]
                scores[int(record["step"])] = float(np.mean(own))
    most = min(scores.values()) * (1 + AS_GOOD)
    return max(step for step, score in scores.items() if score <= most)


def stand_about(trainer: Trainer, package_id: str) -> None:
    """Let a flow's members, learned about one estimate, stand about that of another package.

    Raises:
        InputError: its network or its scale of values is another.
        PackageError: the package is damaged.
    """
    package = find_package(package_id)
    card, held = package.card, trainer.best_weights
    weights = {f"estimate.{name}": value for name, value in package.weights().items()}
    own = {name: value.shape for name, value in held.items() if name.startswith("estimate.")}
    target = trainer.target
    scale = (card.target.mean, card.target.std, card.target.transform, card.target.scale)
    alike = {name: value.shape for name, value in weights.items()} == own
    if not alike or scale != (target.mean, target.std, target.transform, target.scale):
        raise InputError(f"ensemble.about: the estimate of {package_id} is not one like that of start_from.")
    trainer.best_weights = {**held, **weights}
    trainer.base = card.base or BaseSpec()
    trainer.base_choice = replace(trainer.base_choice, regression=read_regression(package))
