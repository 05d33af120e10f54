"""Checkpoints give back what they took and are never half-written."""

from __future__ import annotations

from types import MethodType, SimpleNamespace

import pytest
import torch

from engine.errors import InputError
from training.trainer import checkpoint
from training.trainer.ema import MovingAverage
from training.trainer.trainer import CHECKPOINT, Trainer


def trained(steps):
    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 1))
    optimiser = torch.optim.AdamW(net.parameters(), 0.1)
    run(net, optimiser, steps)
    return net, optimiser


def run(net, optimiser, steps):
    for step in range(steps):
        optimiser.zero_grad()
        net(torch.full((2, 3), float(step))).square().sum().backward()
        optimiser.step()


def test_weights_and_optimiser_go_on_exactly(tmp_path):
    net, optimiser = trained(5)
    path = tmp_path / "run" / "checkpoint.safetensors"
    parts = {"net": net.state_dict(), "optimiser": checkpoint.optimiser_tensors(optimiser)}
    checkpoint.save(path, parts, {"step": 5, "note": "é"})
    loaded, state = checkpoint.load(path)
    assert state == {"step": 5, "note": "é"}
    other, fresh = trained(0)
    other.load_state_dict(loaded["net"])
    checkpoint.restore_optimiser(fresh, loaded["optimiser"])
    run(net, optimiser, 3)
    run(other, fresh, 3)
    for a, b in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_failed_write_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, {"a": {"x": torch.ones(2)}}, {"step": 1})
    monkeypatch.setattr(checkpoint, "save_file", lambda *a, **k: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save(path, {"a": {"x": torch.zeros(2)}}, {"step": 2})
    parts, state = checkpoint.load(path)
    assert state["step"] == 1 and parts["a"]["x"].sum() == 2
    assert [p.name for p in tmp_path.iterdir()] == ["c.safetensors"]


def test_what_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(InputError, match="no checkpoint"):
        checkpoint.load(tmp_path / "none")
    path = tmp_path / "bad"
    path.write_bytes(b"\x80\x04pickle")
    with pytest.raises(InputError, match="not a whole checkpoint"):
        checkpoint.load(path)


def test_the_moving_average_follows_and_restores():
    net = torch.nn.Linear(2, 1)
    average = MovingAverage(net, 0.5)
    with torch.no_grad():
        net.weight.fill_(1.0)
    start = average.weights["weight"].clone()
    average.update(net)
    decay = 2 / 11
    assert torch.allclose(average.weights["weight"], decay * start + (1 - decay) * torch.ones(1, 2))
    for _ in range(60):
        average.update(net)
    assert torch.allclose(average.weights["weight"], torch.ones(1, 2))
    other = MovingAverage(torch.nn.Linear(2, 1), 0.5)
    other.restore(average.weights, average.updates)
    assert torch.equal(other.weights["bias"], average.weights["bias"]) and other.updates == 61


@pytest.mark.parametrize("lacking", ["generator", "average", "config", "plan"])
def test_a_checkpoint_that_lacks_a_part_is_refused(tmp_path, lacking):
    """Whole as a file, but of another version, say."""
    network = torch.nn.Linear(1, 1)
    trainer = SimpleNamespace(
        folder=tmp_path,
        config=SimpleNamespace(model_dump=lambda **how: {"seed": 1}),
        model=SimpleNamespace(generator=network),
        optimiser=torch.optim.SGD(network.parameters()),
        average=SimpleNamespace(restore=lambda weights, updates: None),
        use_plan=lambda: None,
    )
    trainer._take = MethodType(Trainer._take, trainer)
    plan = {"layout": "plain", "threads": 1}
    parts = {name: network.state_dict() for name in ("generator", "average") if name != lacking}
    state = {"config": {"seed": 1}, "plan": plan, "updates": 1, "step": 1, "best": {}}
    state.pop(lacking, None)
    checkpoint.save(tmp_path / CHECKPOINT, parts, state)
    with pytest.raises(InputError, match=r"not a whole checkpoint: it is damaged.*start without --resume"):
        Trainer.restore(trainer)
