"""Training stops where what is held out no longer improves, at the same step after a break."""

from __future__ import annotations

import json

import pytest

from training.data.split import split_archive
from training.schema.config import parse_config
from training.schema.validation import ValidationSection
from training.trainer.schedule import no_better
from training.trainer.trainer import CHECKPOINT, Trainer


class Killed(Exception):
    """Ends a run as a signal would."""


@pytest.fixture
def patient(settings, small):
    """Settings that cannot improve: the rate is as good as zero."""
    settings["data"] = {"name": "small"}
    settings["losses"] = {"adversarial": None}
    settings["sampling"] = {"size": 4, "batch": 1}
    settings["validation"] = {"every": 2, "patience": 3, "held_out": [5]}
    settings["optimiser"] = {"rate": 1e-12, "final_rate": 0, "warmup_steps": 0, "ema": 0}
    settings["steps"], settings["checkpoint_every"] = 20, 5
    return settings


def trainer_for(settings, archive, folder):
    config = parse_config(settings)
    return Trainer(config, archive, split_archive(config, archive), folder)


def log(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def nothing(step, losses, scores):
    """Report to nobody."""


def test_it_stops_after_so_many_validations_that_are_no_better(patient, archive, tmp_path):
    trainer = trainer_for(patient, archive, tmp_path)
    trainer.run(nothing)
    best = trainer.best["step"]
    assert trainer.step_number == best + 6 < 20 and trainer.stopped
    assert (tmp_path / CHECKPOINT).is_file() and log(tmp_path)[-1]["step"] == best + 6
    again = trainer_for(patient, archive, tmp_path)
    again.restore()
    again.run(nothing)  # it had ended
    assert again.step_number == trainer.step_number and again.best == trainer.best
    assert again.best_weights.keys() == trainer.best_weights.keys()


def test_a_resumed_run_stops_at_the_same_step(patient, archive, tmp_path):
    whole = trainer_for(patient, archive, tmp_path / "whole")
    whole.run(nothing)

    def kill(step, losses, scores):
        if step == 5:
            raise Killed

    with pytest.raises(Killed):
        trainer_for(patient, archive, tmp_path / "killed").run(kill)
    resumed = trainer_for(patient, archive, tmp_path / "killed")
    resumed.restore()
    assert resumed.step_number == 5
    resumed.run(nothing)
    assert resumed.step_number == whole.step_number
    assert log(tmp_path / "killed") == log(tmp_path / "whole")


def test_without_anything_held_out_all_steps_are_taken(patient, archive, tmp_path):
    patient["validation"] = {"every": 2, "patience": 1, "where": "training"}
    trainer = trainer_for(patient, archive, tmp_path)
    trainer.run(nothing)
    assert trainer.step_number == 20 and trainer.best["step"] == 20


@pytest.mark.parametrize(
    ("step", "best", "patience", "ends"),
    [(30, 0, 3, True), (29, 0, 3, False), (40, 10, 3, True), (39, 10, 3, False), (90, 0, 0, False)],
)
def test_patience_is_counted_in_validations(step, best, patience, ends):
    assert no_better(step, best, ValidationSection(every=10, patience=patience)) == ends
