"""What the bench of a device prints, here of the processor beside itself."""

from __future__ import annotations

import json

import pytest
import torch

from engine.errors import InputError
from engine.files.root import ROOT
from training.bench import device

TINY = str(ROOT / "training" / "configs" / "tiny.yaml")


def test_a_device_is_set_beside_the_processor(capsys, monkeypatch):
    taken = {"step": 0.5, "making": 0.1, "waiting": 0.05, "share": 0.1}
    monkeypatch.setattr(device, "loading", lambda *_: taken)
    monkeypatch.setattr(device, "end_to_end", lambda *_: 2.0)
    monkeypatch.setattr(device, "forward_rates", lambda *_: {"float32 contiguous": 3.0, "slow": 1.0})
    arguments = [
        "--device",
        "cpu",
        "--config",
        TINY,
        "--steps",
        "2",
        "--batch",
        "3",
        "--side",
        "128",
        "--quick",
    ]
    assert device.run([*arguments, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["training"]["steps_ratio"] == 1  # the processor beside itself
    (losses,) = figures["training"]["losses"].values()
    assert len(losses) == 10 and all(0 < loss < 10 for loss in losses)
    model = figures["models"]["rainitur8"]
    assert model["largest_difference"] == 0
    assert model["files_ratio"] == model["network_ratio"] == 1
    told = device.report(figures, "cpu")
    assert "training in windows of 3, loss" in told
    assert "training, device              2.00 steps/s, 10.0% of a step waiting" in told
    assert f"step   1   {losses[0]:.6f}   {losses[0]:.6f}   0.0e+00" in told
    assert "rainitur8: largest difference 0.0e+00 of the range, float32" in told


@pytest.mark.skipif(torch.cuda.is_available() or torch.backends.mps.is_available(), reason="there is a GPU")
def test_without_a_gpu_there_is_nothing_to_compare():
    with pytest.raises(InputError, match="no device here beside the processor"):
        device.run([])
