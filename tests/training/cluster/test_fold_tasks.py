"""Folds of a cross-validation by a cluster's workers: the scores of one process, and nothing lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from distributed import LocalCluster

from engine.files.root import ROOT
from tests.engine.cluster.schedulers import scheduler, worker
from tests.training.cluster.conftest import killing
from training import cross_validate
from training.trainer.folds import fold_task
from training.trainer.trainer import CHECKPOINT


@pytest.fixture
def path(small_maps: dict, tmp_path: Path) -> Path:
    small_maps.update(steps=8, validation={"every": 4, "blocks": [[1, 2], [5, 6]]})
    small_maps["losses"] = {"adversarial": None}
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(small_maps), encoding="utf-8")
    return path


@pytest.fixture
def expected(path: Path, tmp_path: Path, capfd: pytest.CaptureFixture) -> dict:
    """What one process tells."""
    assert cross_validate.run([str(path), "--runs", str(tmp_path / "one"), "--json", "--threads", "1"]) == 0
    return json.loads(capfd.readouterr().out)


def of_workers(path: Path, runs: Path, address: str) -> list[str]:
    return [str(path), "--runs", str(runs), "--json", "--threads", "1", "--cluster", address]


def test_workers_find_the_scores_of_one_process_and_a_killed_ones_fold_goes_on(
    path: Path, expected: dict, tmp_path: Path, cluster: LocalCluster, capfd: pytest.CaptureFixture
) -> None:
    given = of_workers(path, tmp_path / "many", cluster.scheduler_address)
    with killing(cluster, lambda: any((tmp_path / "many").glob(f"*/{CHECKPOINT}"))) as killed:
        assert cross_validate.run(given) == 0
    told = capfd.readouterr()
    assert killed and json.loads(told.out) == expected
    assert told.err.count(": begun by process ") >= 3  # two folds, and the killed worker's again
    assert cross_validate.run(given) == 0  # nothing is done twice
    told = capfd.readouterr()
    assert json.loads(told.out) == expected and "begun" not in told.err


def test_what_a_worker_trains_elsewhere_is_brought_here(
    path: Path,
    expected: dict,
    tmp_path: Path,
    cluster: LocalCluster,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture,
) -> None:
    shared = fold_task.SharedFolder

    def strange(path: Path) -> fold_task.SharedFolder:
        folder = shared(path)
        folder._words = "another folder's"
        return folder

    monkeypatch.setattr(fold_task, "SharedFolder", strange)
    assert cross_validate.run(of_workers(path, tmp_path / "many", cluster.scheduler_address)) == 0
    assert json.loads(capfd.readouterr().out) == expected
    assert sorted(f.name for f in (tmp_path / "many").glob("tiny-fold1/*")) == [CHECKPOINT, "log.jsonl"]
    assert cross_validate.run([*of_workers(path, tmp_path / "many", "")[:-2]]) == 0  # it is whole
    assert json.loads(capfd.readouterr().out) == expected


def test_a_command_that_is_killed_leaves_no_fold_running_and_goes_on(
    path: Path, expected: dict, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    runs, begun = tmp_path / "many", f"tiny-fold1/{CHECKPOINT}"
    settings = yaml.safe_load(path.read_text())
    settings.update(steps=100_000, checkpoint_every=1)
    endless = tmp_path / "endless.yaml"
    endless.write_text(yaml.safe_dump(settings), encoding="utf-8")
    with scheduler(tmp_path) as (address, process), worker(address):
        command = [sys.executable, "-s", "-m", "training.cross_validate", *of_workers(endless, runs, address)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as running:
            while not (runs / begun).exists() and running.poll() is None:
                time.sleep(0.05)
            os.kill(running.pid, signal.SIGKILL)
        lock = runs / ".tiny-fold1.lock"
        for _ in range(600):
            if not lock.exists():
                break
            time.sleep(0.1)
        assert not lock.exists(), "the fold goes on although nobody waits for it"
        # And one whose scheduler goes says so.
        with subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as running:
            while not lock.exists() and running.poll() is None:
                time.sleep(0.05)
            process.kill()
            assert running.wait(120) == 1 and running.stderr is not None
            assert "The scheduler of the cluster has gone: start it again." in running.stderr.read()
    assert (runs / begun).is_file()
