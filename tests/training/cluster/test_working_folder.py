"""Relative paths of a configuration start from the folder of the command, on workers elsewhere too."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml
from affine import Affine
from distributed import LocalCluster

from engine.errors import InputError
from training import ablate
from training.records.record import read
from training.schema.config import parse_config
from training.tasks.worker_archive import WorkerArchive


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a mask of the world's land and sea, in which the command is started."""
    folder = tmp_path / "home"
    folder.mkdir()
    kind = {"height": 180, "width": 360, "count": 1, "dtype": "uint8", "crs": "EPSG:4326"}
    cells = np.ones((180, 360), np.uint8)
    cells[88:90, 50:52] = 0
    with rasterio.open(
        folder / "mask.tif", "w", driver="GTiff", transform=Affine(1, 0, -180, 0, -1, 90), **kind
    ) as file:
        file.write(cells, 1)
    monkeypatch.chdir(folder)
    return folder


def test_an_ablation_finds_its_mask(home: Path, small_maps: dict, cluster: LocalCluster) -> None:
    small_maps |= {"ablation": {"steps": 2, "seeds": [0], "constraints": []}, "domain": "mask.tif"}
    (home / "c.yaml").write_text(yaml.safe_dump(small_maps), encoding="utf-8")
    words = ["c.yaml", "--output", "out", "--no-page", "--only", "none"]
    assert ablate.run([*words, "--cluster", cluster.scheduler_address]) == 0
    assert len(read(home / "out" / "records.jsonl", "ablation")) == 1


@pytest.mark.parametrize("key", ["domain", "start_from", "about"])
def test_a_worker_without_the_folder_says_which_path_starts_there(
    home: Path, small_maps: dict, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    (home / "model").mkdir()
    named = {"domain": "mask.tif"} if key == "domain" else {"start_from": "model"}
    if key == "about":
        named = {"start_from": "an-id", "ensemble": {"generator": "flow", "about": "model"}}
        named["losses"] = {"adversarial": None}
    held = WorkerArchive(parse_config(small_maps | named, "c.yaml"))
    monkeypatch.chdir(home.parent)
    with pickle.loads(pickle.dumps(held)).at_home():
        assert os.getcwd() == str(home)
    assert os.getcwd() == str(home.parent)
    home.rename(home.with_name("away"))
    with pytest.raises(InputError) as caught:
        held.at_home().__enter__()
    assert str(caught.value) == (
        f"A worker does not see the folder {home}, from which the configuration's path "
        f"{named.get('domain', 'model')} starts: give it from the root of a disk that all machines share."
    )


def test_without_such_a_path_the_folder_is_not_needed(home: Path, small_maps: dict) -> None:
    held = WorkerArchive(parse_config(small_maps | {"start_from": "an-id"}, "c.yaml"), folder="/nowhere")
    with held.at_home():
        assert os.getcwd() == str(home)
