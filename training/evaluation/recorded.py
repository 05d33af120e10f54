"""An evaluation as a record, which published figures can rest on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.package.folder import Package
from training.evaluation.comparison import MEMBERS, Evaluation, ensemble_values
from training.evaluation.scores import Score
from training.records.record import Record, record_of, run_id

KIND = "evaluation"


def evaluation_record(
    evaluation: Evaluation,
    path: str | Path,
    package: Package | None = None,
    compare: Sequence[str] = (),
    further: bool = False,
) -> Record:
    """Return the scores of every method, with those of the change signal where it was measured.

    Those of members stand in the note `ensembles`, by the method's name.

    Args:
        evaluation: whose numbers they are.
        path: of the configuration's file.
        package: the model, whose hash and conservation strength are noted.
        compare: further packages that were compared, as they were named.
        further: whether all metrics were asked for.
    """
    metrics: dict[str, dict[str, float | None]] = {s.case.name: dict(s.values) for s in evaluation.scores}
    words = [f"python -m training.evaluate {Path(path).as_posix()}", *(f"--compare {one}" for one in compare)]
    words += ["--all-metrics"] * further
    drawn = {s.case.name: _members(evaluation, s) for s in evaluation.scores if s.members}
    if drawn and evaluation.members != MEMBERS:
        words.append(f"--members {evaluation.members}")
    command = " ".join(words)
    notes: dict[str, Any] = {
        "units": evaluation.archive.units,
        "model": evaluation.model,
        "titles": {s.case.name: s.case.title for s in evaluation.scores},
        "simple": [s.case.name for s in evaluation.scores if s.case.group == "simple"],
    }
    if drawn:
        notes |= {"ensembles": drawn, "least_mae": _least_mae(evaluation)}
    if evaluation.model is not None:
        notes["ratios"] = _ratios(evaluation, evaluation.model)
    change = evaluation.change
    if change is not None:
        command += f" --change {change.earlier[0]} {change.earlier[1]}"
        notes["change"] = {name: getattr(change, name) for name in ("earlier", "later", "coarse")}
        for one in change.methods:
            numbers = metrics.setdefault(one.name, {})
            numbers["change_coarse_gap"] = one.coarse_gap
            for signal in one.signals:
                numbers[f"change_{signal.statistic}_rmse"] = signal.rmse
                numbers[f"change_{signal.statistic}_kept"] = signal.kept
                numbers[f"change_{signal.statistic}"] = signal.mean
            notes["titles"].setdefault(one.name, one.title)
        notes["change"]["truth"] = change.methods[0].signal("mean").truth
    if evaluation.correction is not None:
        notes["bias"] = evaluation.correction.to_json()
    if package is not None:
        notes |= {"sha256": package.sha256, "strength": package.card.target.strength}
    name = run_id(f"{evaluation.config.model.id}-{KIND}", evaluation.config)
    return record_of(name, KIND, evaluation.config, path, command, metrics, notes=notes)


def _members(evaluation: Evaluation, score: Score) -> dict[str, Any]:
    """Return the numbers of a method's members, and their CRPS over the least MAE of a simple method."""
    over = evaluation.compare(score.case.name, _least_mae(evaluation), "crps", "mae")
    ratio = [value if math.isfinite(value) else None for value in over.ratio]
    return {**ensemble_values(score), "over_least_mae": ratio, "few": over.few}


def _least_mae(evaluation: Evaluation) -> str:
    """Return the simple method with the least mean absolute error."""
    simple = {s.case.name: s.values["mae"] for s in evaluation.scores if s.case.group == "simple"}
    return min(simple, key=lambda name: simple[name] if math.isfinite(simple[name]) else math.inf)


def _ratios(evaluation: Evaluation, model: str) -> dict[str, dict[str, float | int | None]]:
    """Return the model's RMSE over every other method's, with its interval and what that rests on."""
    told: dict[str, dict[str, float | int | None]] = {}
    for score in evaluation.scores:
        if score.case.name != model:
            one = evaluation.compare(model, score.case.name)
            numbers = {
                name: number if math.isfinite(number) else None
                for name, number in one.ratio._asdict().items()
            }
            told[score.case.name] = {**numbers, "dates": one.dates, "places": one.places}
    return told
