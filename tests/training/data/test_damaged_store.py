"""A store that is not whole is refused by its name, whether it is opened or read later."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

from engine.errors import InputError
from tests.engine.commands.sentence_wall import check
from training.data import store
from training.data.store_format import COARSE, FINE, VERSION

if zarr.__version__ < "3":
    pytest.skip("what is spoilt here are zarr 3's files", allow_module_level=True)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A store of two months on 2 × 3 coarse cells."""
    path = tmp_path / "made.zarr"
    group = zarr.open_group(path, mode="w")
    for name, shape in ((COARSE, (2, 2, 3)), (FINE, (2, 4, 6))):
        array = group.create_array(name, shape=shape, dtype="float32", chunks=(1, *shape[1:]))
        array[:] = np.random.default_rng(0).random(shape, dtype=np.float32)
    dates = group.create_array("date", shape=(2,), dtype="<U7")
    dates[:] = np.array(["2001-01", "2001-02"])
    group.attrs.update(
        {
            "msr_store": VERSION,
            "name": "made",
            "title": "t",
            "citation": "c",
            "simulated": True,
            "factor": 2,
            "mode": "aggregate",
            "weights": "count",
            "target": "rain",
            "target_title": "Rain",
            "units": "mm/month",
            "shape": [2, 3],
            "transform": [1, 0, 0, 0, -1, 2],
            "crs": "EPSG:4326",
            "sources": [],
        }
    )
    return path


def refused(path: Path, *words: str) -> None:
    with pytest.raises(InputError) as caught:
        np.asarray(store.load(2, str(path)).fine)
    check(str(caught.value), "data.options.path", str(path), *words)


@pytest.mark.filterwarnings("ignore")
def test_what_is_not_whole_is_refused(made: Path, tmp_path: Path) -> None:
    for name, spoil, words in (
        ("no-store", lambda p: (p / "zarr.json").unlink(), "cannot be read as a Zarr store"),
        ("no-coarse", lambda p: shutil.rmtree(p / COARSE), "damaged or only half written"),
        ("no-date", lambda p: shutil.rmtree(p / "date"), "damaged or only half written"),
        ("cut", lambda p: chunk(p, COARSE).write_bytes(b"\x01"), "damaged or only half written"),
        ("json", lambda p: (p / "zarr.json").write_text("{"), "cannot be read as a Zarr store"),
        ("shape", lambda p: attribute(p, "shape", [2, 4]), "damaged or only half written"),
        ("factor", lambda p: attribute(p, "factor", "two"), "damaged or only half written"),
        ("sources", lambda p: attribute(p, "sources", [{}]), "damaged or only half written"),
        ("version", lambda p: attribute(p, "msr_store", 99), "made by this version"),
    ):
        copy = tmp_path / f"{name}.zarr"
        shutil.copytree(made, copy)
        spoil(copy)
        with pytest.raises(InputError, match=words) as caught:
            store.load(2, str(copy))
        check(str(caught.value), "data.options.path", str(copy))


@pytest.mark.filterwarnings("ignore")
def test_a_chunk_that_is_read_later(made: Path) -> None:
    archive = store.load(2, str(made), memory_gib=0)
    assert archive.fine[0].shape == (4, 6)
    chunk(made, FINE).write_bytes(b"\x01")
    with pytest.raises(InputError, match="damaged"):
        np.asarray(archive.fine)


@pytest.mark.filterwarnings("ignore")
def test_a_region_that_is_none_does_not_blame_the_store(made: Path) -> None:
    with pytest.raises(InputError, match=r"data\.options\.region"):
        store.load(2, str(made), region=[1, 2])
    with pytest.raises(InputError, match="memory_gib"):
        store.load(2, str(made), memory_gib=-1)


def chunk(path: Path, name: str) -> Path:
    return next(p for p in sorted((path / name).rglob("*")) if p.is_file() and p.suffix != ".json")


def attribute(path: Path, name: str, value: object) -> None:
    file = path / "zarr.json"
    data = json.loads(file.read_text())
    data["attributes"][name] = value
    file.write_text(json.dumps(data))


@pytest.mark.skipif(os.name == "nt", reason="links need a right of their own there")
def test_links_out_of_a_store_are_not_followed(made: Path, tmp_path: Path) -> None:
    shutil.move(made / FINE, tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", made / FINE)
    refused(made, FINE, "is a link to", str(tmp_path / "elsewhere"))
