"""Test dates scored by a cluster's workers: the very numbers of one process, whoever is killed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from distributed import LocalCluster

from engine.cluster import dask_workers
from tests.training.cluster.conftest import killing
from training import evaluate, train
from training.evaluation import scores
from training.records.record import read


@pytest.fixture
def path(small_maps: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration and a model of it with noise and a base that is fitted."""
    monkeypatch.chdir(tmp_path)
    small_maps.update(
        steps=2,
        data={"name": "itur", "options": {"region": [-20, 40, -4, 56]}},
        base="neighbourhood",
        network={"widths": [4, 4], "boxes": [1, 0], "noise": 2},
        ensemble={"members": 2, "validated": 2},
        split={"kind": "temporal", "train": [1, 2, 3, 4, 5, 6], "test": [7, 8, 9, 10, 11, 12]},
        validation={"every": 2, "held_out": [5]},
    )
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(small_maps), encoding="utf-8")
    assert train.run([str(path), "--runs", str(tmp_path / "runs"), "--quiet", "--threads", "1"]) == 0
    return path


def evaluated(path: Path, name: str, capfd: pytest.CaptureFixture, *more: str) -> tuple[dict, dict]:
    """Return what is told as JSON, and the record without its time."""
    record = path.parent / f"{name}.jsonl"
    given = [str(path), "--json", "--all-metrics", "--members", "3", "--threads", "1"]
    capfd.readouterr()
    assert evaluate.run([*given, "--record", str(record), *more]) == 0
    (kept,) = read(record)
    return json.loads(capfd.readouterr().out), kept.model_dump(exclude={"finished"})


def test_workers_find_the_numbers_of_one_process_to_the_last_digit(
    path: Path, cluster: LocalCluster, capfd: pytest.CaptureFixture
) -> None:
    expected = evaluated(path, "one", capfd)
    assert expected[0]["ensembles"] and "trees" in expected[0]["methods"]
    assert "neighbourhood" in expected[0]["methods"]
    busy = lambda: any(cluster.scheduler.tasks)  # noqa: E731
    with killing(cluster, busy) as killed:
        many = evaluated(path, "many", capfd, "--cluster", cluster.scheduler_address)
    assert killed and many == expected


def test_blocks_of_several_dates_are_merged_as_one_process_merges_them(
    path: Path, cluster: LocalCluster, capfd: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = evaluated(path, "apart", capfd, "--no-trees")[0]
    with dask_workers.Client(cluster, set_as_default=False) as client:

        def fewer() -> None:
            from training.evaluation import scores

            scores.MOST_BLOCKS = 4

        def as_before() -> None:
            from training.evaluation import scores

            scores.MOST_BLOCKS = 256

        client.run(fewer)
        monkeypatch.setattr(scores, "MOST_BLOCKS", 4)
        try:
            one = evaluated(path, "one", capfd, "--no-trees")
            where = ("--cluster", cluster.scheduler_address)
            assert evaluated(path, "many", capfd, "--no-trees", *where) == one
        finally:
            client.run(as_before)
    for name, numbers in apart["methods"].items():  # sums in another order
        assert one[0]["methods"][name] == pytest.approx(numbers, rel=1e-9)
