"""An evaluation as a record, which published figures can rest on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.package.folder import Package
from training.evaluation.comparison import Evaluation
from training.records.record import Record, record_of, run_id

KIND = "evaluation"


def evaluation_record(evaluation: Evaluation, path: str | Path, package: Package | None = None) -> Record:
    """Return the scores of every method, with those of the change signal where it was measured.

    Args:
        evaluation: whose numbers they are.
        path: of the configuration's file.
        package: the model, whose hash and conservation strength are noted.
    """
    metrics: dict[str, dict[str, float | None]] = {s.case.name: dict(s.values) for s in evaluation.scores}
    command = f"python -m training.evaluate {Path(path).as_posix()}"
    notes: dict[str, Any] = {
        "units": evaluation.archive.units,
        "model": evaluation.model,
        "titles": {s.case.name: s.case.title for s in evaluation.scores},
        "simple": [s.case.name for s in evaluation.scores if s.case.group == "simple"],
    }
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
