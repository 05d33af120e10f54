"""Training on a GPU, where there is one: what the processor finds, within float32's rounding."""

from __future__ import annotations

import json

import pytest
import torch

from engine.compute.devices import choose_device
from engine.fields.conservation import aggregate
from engine.nets.noise import level_noise
from training.data.split import split_archive
from training.schema.config import parse_config
from training.trainer.precision import TrainingPlan
from training.trainer.trainer import Trainer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
PLANS = [TrainingPlan(half, last) for half in (False, True) for last in (False, True)]


@pytest.fixture
def quick(settings, small):
    settings.update(data={"name": "small"}, steps=6, checkpoint_every=3, device="cuda")
    settings["sampling"] = {"size": 4, "batch": 2}
    settings["validation"] = {"every": 3, "held_out": [5]}
    settings["network"]["noise"] = 2
    settings["ensemble"] = {"members": 2, "validated": 2, "scales": [1, 2]}
    # Not hinge: within it the last bias has no gradient but rounding, of which Adam makes whole steps.
    settings["losses"]["adversarial"].update(kind="leastsquares", start=2)
    return settings


def trainer_for(settings, archive, folder, device="cuda") -> Trainer:
    config = parse_config(settings).on(device)
    return Trainer(config, archive, split_archive(config, archive), folder)


def log_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def close(first, second):
    for one, two in zip(first, second, strict=True):
        assert set(one) == set(two)
        if one["step"] <= 1:
            for name in set(one) - {"validation"}:
                assert two[name] == pytest.approx(one[name], rel=1e-4, abs=1e-6), (one["step"], name)
        else:  # Adam's steps carry rounding on, most of all into terms near zero
            assert two["total"] == pytest.approx(one["total"], rel=2e-2), one["step"]
        if "validation" in one:
            assert two["validation"]["rmse"] == pytest.approx(one["validation"]["rmse"], rel=2e-2)


def test_float32_is_float32():
    device = choose_device("cuda")
    torch.manual_seed(0)
    field, kernel = torch.randn(1, 64, 32, 32), torch.randn(64, 64, 3, 3)
    exact = torch.nn.functional.conv2d(field.double(), kernel.double())
    found = torch.nn.functional.conv2d(field.to(device), kernel.to(device)).to("cpu").double()
    assert float((found - exact).norm() / exact.norm()) < 1e-6


def test_noise_is_the_same_on_a_gpu():
    one, two = (level_noise(7, 3, 1, 2, range(-5, 40), range(90), 5, device) for device in ("cpu", "cuda"))
    assert torch.allclose(one, two.to("cpu"), atol=2e-6)


def test_a_run_on_a_gpu_is_the_processors(quick, archive, tmp_path):
    for device in ("cpu", "cuda"):
        trainer_for(quick, archive, tmp_path / device, device).run(lambda *_: None)
    close(log_of(tmp_path / "cpu"), log_of(tmp_path / "cuda"))


@pytest.mark.parametrize(
    "plan", [TrainingPlan(half, last) for half in (False, True) for last in (False, True)]
)
def test_members_conserve_in_every_plan(quick, archive, tmp_path, plan):
    trainer = trainer_for(quick, archive, tmp_path)
    trainer.plan = plan
    trainer.use_plan()
    for _ in range(3):
        trainer.step()
    batch = trainer.batch(5)
    drawn = trainer.generate(batch, plan, seed=1)
    assert batch.truth.device.type == drawn.members.device.type == "cuda"
    assert drawn.members.dtype == drawn.free.dtype == torch.float32
    for member in (drawn.fine, *drawn.members):
        error = aggregate(member, batch.factor) - batch.coarse
        assert float(error.detach().abs().nan_to_num().max()) < 1e-5 * float(batch.coarse.nan_to_num().max())


def test_a_checkpoint_goes_from_gpu_to_processor_and_back(quick, archive, tmp_path):
    whole = trainer_for(quick, archive, tmp_path / "whole")
    whole.run(lambda *_: None)

    def stop(done, *_):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer_for(quick, archive, tmp_path / "moved").run(stop)
    second = trainer_for(quick, archive, tmp_path / "moved", "cpu")
    second.restore()
    second.step()
    second.save()
    third = trainer_for(quick, archive, tmp_path / "moved")
    third.restore()
    assert third.step_number == 4
    assert all(p.device.type == "cuda" for p in third.model.parameters())
    third.run(lambda *_: None)
    for name, weight in whole.average.weights.items():
        assert torch.allclose(third.average.weights[name], weight, rtol=1e-2, atol=1e-3), name


def test_the_plan_is_measured_and_the_run_goes_on(quick, archive, tmp_path):
    quick.update(precision="auto", layout="auto")
    trainer = trainer_for(quick, archive, tmp_path)
    assert len(trainer.measure_plan()) >= 2
    losses = [trainer.step().terms["total"] for _ in range(4)]
    assert all(0 < loss < 100 for loss in losses)
