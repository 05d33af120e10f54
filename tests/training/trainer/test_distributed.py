"""Two processes under torchrun train as one does with the same batches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from engine.errors import InputError
from engine.files.root import ROOT
from engine.package.folder import load_package
from training.cascade.train import train
from training.schema.config import parse_config
from training.trainer import distributed
from training.trainer.losses import masked_mean

WORKER = Path(__file__).with_name("distributed_worker.py")


def log_of(runs):
    lines = (runs / "tiny" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def train_in_two(settings, folder):
    """Run the command under torchrun, in two processes."""
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(json.loads(json.dumps(settings))), encoding="utf-8")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*torchrun, str(WORKER), str(config), "--runs", str(folder / "two"), "--threads", "1", "--quiet"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines() == [str(folder / "two" / "tiny" / "package")]  # one process speaks


@pytest.fixture
def uneven(settings):
    """Three windows a step, of which one process has two; an ensemble, and a rival from step 2 on."""
    settings["data"] = {"name": "small"}
    settings["sampling"] = {"size": 5, "batch": 3}
    settings["network"] = {"widths": [8, 8], "boxes": [1, 0], "noise": 2}
    settings["ensemble"] = {"members": 2, "scales": [1, 2], "validated": 2}
    # Not hinge: within it the last bias has no gradient but rounding, of which Adam makes whole steps.
    settings["losses"]["adversarial"].update(kind="leastsquares", start=2, weight=0.1)
    settings.update(steps=5, checkpoint_every=5)
    settings["split"].update(blocks={"size": 3, "test": 0.2, "buffer": 1})  # some windows have holes
    settings["validation"].update(every=5)
    return settings


def test_two_processes_find_the_losses_of_one(uneven, small, tmp_path):
    train(parse_config(uneven), tmp_path / "one", quiet=True)
    train_in_two(uneven, tmp_path)
    one, two = (log_of(tmp_path / name) for name in ("one", "two"))
    assert [line["step"] for line in one] == [line["step"] for line in two] == list(range(6))
    for first, second in zip(one[1:], two[1:]):
        assert set(first) == set(second)
        for name in set(first) - {"validation"}:
            # Rounding alone at first; Adam's steps carry it on.
            rel, absolute = (1e-5, 1e-7) if first["step"] <= 2 else (1e-3, 1e-5)
            assert second[name] == pytest.approx(first[name], rel=rel, abs=absolute), (first["step"], name)
    assert "discriminator" in one[-1] and "crps" in one[-1]
    assert two[-1]["validation"]["rmse"] == pytest.approx(one[-1]["validation"]["rmse"], rel=1e-3)
    packages = [load_package(tmp_path / name / "tiny" / "package") for name in ("one", "two")]
    assert packages[0].card.raw["metrics"].keys() == packages[1].card.raw["metrics"].keys()


def test_two_processes_stop_together_where_nothing_improves(settings, small, tmp_path):
    settings["data"] = {"name": "small"}
    settings["losses"] = {"adversarial": None}
    settings["sampling"] = {"size": 4, "batch": 2}
    settings["validation"] = {"every": 2, "patience": 2, "held_out": [5]}
    settings["optimiser"] = {"rate": 1e-12, "final_rate": 0, "warmup_steps": 0, "ema": 0}
    settings.update(steps=40, checkpoint_every=40)
    train(parse_config(settings), tmp_path / "one", quiet=True)
    train_in_two(settings, tmp_path)
    ends = [log_of(tmp_path / name)[-1]["step"] for name in ("one", "two")]
    assert ends[0] == ends[1] < 40


def test_alone_nothing_is_shared_or_waited_for():
    assert distributed.processes() == distributed.Processes(0, 1)
    assert distributed.share([1, 2, 3]) == [1, 2, 3]
    network = nn.Linear(1, 1)
    assert distributed.parallel(network) is network
    assert distributed.of_first([1, 0], torch.device("cpu")) == [1, 0]
    assert masked_mean(torch.tensor([1.0, 5.0]), torch.tensor([False, False])) == 0
    with distributed.joined(torch.device("cpu")) as group:
        assert group.first and group.count == 1


def test_what_processes_cannot_train_is_refused(monkeypatch):
    monkeypatch.setattr(distributed, "processes", lambda: distributed.Processes(0, 4))
    with pytest.raises(InputError, match=r"sampling\.batch: 3 windows .* 4 processes"):
        distributed.check(3, [nn.Linear(1, 1)])
    distributed.check(4, [nn.Sequential(nn.Conv2d(1, 1, 1))])
    with pytest.raises(InputError, match="batch normalisation"):
        distributed.check(4, [nn.Sequential(nn.BatchNorm2d(1))])
