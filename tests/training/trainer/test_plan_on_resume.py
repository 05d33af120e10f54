"""The precision and layout that a run began with are those that it goes on with, to the last digit."""

from __future__ import annotations

import pytest
import torch

from training.data.readers import load_archive
from training.data.split import split_archive
from training.schema.config import parse_config
from training.trainer import precision
from training.trainer.precision import TrainingPlan
from training.trainer.trainer import Trainer

PLANS = [TrainingPlan(half, last) for half in (False, True) for last in (False, True)]


class Stop(Exception):
    """Ends a run after a checkpoint."""


def everything(trainer: Trainer) -> dict[str, torch.Tensor]:
    """Return all that the next step depends on."""
    parts = {f"generator/{n}": t for n, t in trainer.model.generator.state_dict().items()}
    parts |= {f"average/{n}": t for n, t in trainer.average.weights.items()}
    for number, held in trainer.optimiser.state_dict()["state"].items():
        parts |= {f"optimiser/{number}/{n}": t for n, t in held.items()}
    if trainer.adversary is not None:
        parts |= {f"rival/{n}": t for n, t in trainer.adversary.network.state_dict().items()}
    return {name: tensor.detach().clone() for name, tensor in parts.items()}


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_a_resumed_run_keeps_the_plan_and_every_digit(settings, tmp_path, monkeypatch, plan) -> None:
    settings |= {"steps": 8, "checkpoint_every": 4}
    config = parse_config(settings)
    archive = load_archive(config)
    split = split_archive(config, archive)

    def chosen(trial, *_):
        for each in PLANS:  # as a measurement leaves the networks: in one layout after the other
            trial(each)
        return plan, {}

    monkeypatch.setattr("training.trainer.trainer.choose", chosen)

    def begin(folder: str) -> Trainer:
        trainer = Trainer(config, archive, split, tmp_path / folder)
        trainer.measure_plan()
        return trainer

    whole = begin("whole")
    whole.run(lambda *_: None)

    def stop(step, *_):
        if step == 4:
            raise Stop

    with pytest.raises(Stop):
        begin("stopped").run(stop)
    monkeypatch.setattr("training.trainer.trainer.choose", lambda *_: pytest.fail("measured anew"))
    resumed = Trainer(config, archive, split, tmp_path / "stopped")
    resumed.restore()
    assert resumed.plan == plan and resumed.step_number == 4
    resumed.run(lambda *_: None)
    expected, got = everything(whole), everything(resumed)
    assert expected.keys() == got.keys()
    differing = [n for n in expected if not torch.equal(expected[n], got[n])]
    strides = [n for n in expected if expected[n].stride() != got[n].stride()]
    assert (differing, strides) == ([], [])


class Clock:
    """Time that only the steps move on."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("costs", "chosen", "halves"),
    [
        ((1.0, 2.0, 70.0, 70.0), PLANS[0], 1),
        ((2.0, 1.0, 0.8, 0.5), PLANS[3], 6),
        ((2.0, 1.0, 0.95, 0.9), PLANS[1], 6),
    ],
)
def test_a_hopeless_precision_costs_one_step(monkeypatch, costs, chosen, halves) -> None:
    clock, calls = Clock(), []
    monkeypatch.setattr(precision, "time", clock)

    def step(plan: TrainingPlan) -> None:
        calls.append(plan)
        clock.now += costs[PLANS.index(plan)]

    assert precision.choose(step, "auto")[0] == chosen
    assert sum(plan.bfloat16 for plan in calls) == halves


def test_an_accelerators_first_step_in_a_precision_does_not_count(monkeypatch) -> None:
    clock, seen = Clock(), set()
    monkeypatch.setattr(precision, "time", clock)

    def step(plan: TrainingPlan) -> None:
        clock.now += (0.5 if plan.bfloat16 else 1.0) if plan in seen else 90.0
        seen.add(plan)

    assert precision.choose(step, "auto", warms_up=True)[0].bfloat16
