"""Runs of an ablation by a cluster's workers: the numbers of one process, and nothing lost on the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from distributed import LocalCluster

from engine.cluster import scheduler
from engine.errors import EngineError, InputError
from tests.training.cluster.conftest import killing
from training import ablate
from training.records.record import Record, read


@pytest.fixture
def path(small_maps: dict, tmp_path: Path) -> Path:
    small_maps["ablation"] = {"steps": 6, "seeds": [0], "constraints": []}
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(small_maps), encoding="utf-8")
    return path


def numbers(output: Path) -> dict[str, tuple]:
    """Return all of the records that does not tell of time."""
    records = read(output / "records.jsonl", "ablation")
    assert len({record.id for record in records}) == len(records)

    def told(record: Record) -> tuple:
        notes = {name: note for name, note in record.notes.items() if name != "seconds"}
        return record.hash, record.config, record.command, record.metrics, json.dumps(notes, sort_keys=True)

    return {record.id: told(record) for record in records}


def test_workers_make_the_records_of_one_process_and_a_killed_ones_run_goes_on(
    path: Path, tmp_path: Path, cluster: LocalCluster, capfd: pytest.CaptureFixture
) -> None:
    assert ablate.run([str(path), "--output", str(tmp_path / "one"), "--only", "subset", "--no-page"]) == 0
    output = tmp_path / "many"
    some = [str(path), "--output", str(output), "--no-page", "--only"]
    assert ablate.run([*some, "none"]) == 0  # which is not done again
    capfd.readouterr()
    with killing(cluster, lambda: any(output.glob("*/checkpoint.safetensors"))) as killed:
        assert ablate.run([*some, "subset", "--cluster", cluster.scheduler_address]) == 0
    told = capfd.readouterr()
    assert killed and numbers(output) == numbers(tmp_path / "one")
    assert "3 of 4 runs to do" in told.out and "3 of 3: " in told.out
    assert told.err.count(": begun by process ") >= 4  # three runs, and the killed worker's again
    assert not list(output.glob("*/checkpoint.safetensors"))


def test_a_worker_that_does_not_see_the_folder_works_elsewhere(
    path: Path, tmp_path: Path, cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.tasks import shared_folder

    given = [str(path), "--no-page", "--only", "elevation"]
    assert ablate.run([*given, "--output", str(tmp_path / "one")]) == 0
    begin = shared_folder.SharedFolder.__init__

    def strange(self: shared_folder.SharedFolder, path: Path) -> None:
        begin(self, path)
        self._words = "another folder's"

    monkeypatch.setattr(shared_folder.SharedFolder, "__init__", strange)
    where = ["--output", str(tmp_path / "many"), "--cluster", cluster.scheduler_address]
    assert ablate.run([*given, *where]) == 0
    assert numbers(tmp_path / "many") == numbers(tmp_path / "one")
    assert not [f for f in (tmp_path / "many").iterdir() if f.is_dir()]


def test_what_is_wrong_with_a_cluster_is_one_sentence(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [str(path), "--output", str(tmp_path / "out"), "--no-page", "--cluster"]
    monkeypatch.setattr(scheduler, "CONNECT_SECONDS", 1)
    with pytest.raises(EngineError, match=r"^No scheduler of Dask answers at tcp://127.0.0.1:9: start one"):
        ablate.run([*given, "tcp://127.0.0.1:9"])
    with pytest.raises(InputError, match=r"^--cluster local:0: write local, or"):
        ablate.run([*given, "local:0"])
    with pytest.raises(InputError, match=r"^--workers: a cluster has its own"):
        ablate.run([*given, "local", "--workers", "2"])
    monkeypatch.setattr(scheduler, "CONNECT_SECONDS", 20)
    with (
        LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=":0") as empty,
        pytest.raises(EngineError, match=r"^The cluster has had no worker for \d+ seconds: start workers"),
    ):
        ablate.run([*given, empty.scheduler_address, "--wait", "1"])
    assert not (tmp_path / "out" / "records.jsonl").exists()
