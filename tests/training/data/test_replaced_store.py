"""A store that is replaced while it is read: never are the new one's cells, or none, taken for the old's."""

from __future__ import annotations

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
from training.data.whole_store import StoreArray, store_state

SHAPE = 3, 4  # coarse cells


def make(path: Path, value: float) -> None:
    """Make a store of two months whose cells all have a value."""
    group = zarr.open_group(path, mode="w", zarr_format=2)
    for name, scale in ((COARSE, 1), (FINE, 2)):
        shape = 2, SHAPE[0] * scale, SHAPE[1] * scale
        array = group.create(name, shape=shape, dtype="float32", chunks=(1, *shape[1:]))
        array[:] = np.full(shape, value, np.float32)
    dates = group.create("date", shape=(2,), dtype="<U7")
    dates[:] = np.array(["2001-01", "2001-02"])
    said = {
        "name": "made",
        "title": "t",
        "citation": "c",
        "simulated": True,
        "factor": 2,
        "mode": "aggregate",
    }
    said |= {"weights": "count", "target": "rain", "target_title": "Rain", "units": "mm/month", "sources": []}
    grid = {"shape": list(SHAPE), "transform": [1, 0, 0, 0, -1, 3], "crs": "EPSG:4326"}
    group.attrs.update({"msr_store": VERSION} | said | grid)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "rain.zarr"
    make(made, 1.0)
    return made


def refused(array: object, path: Path) -> None:
    with pytest.raises(InputError) as caught:
        np.asarray(array)
    check(str(caught.value), "data.options.path", str(path), "made anew or taken away")


def swapped(path: Path) -> None:
    """Put another store in its place, as `training.prepare --overwrite` does."""
    make(other := path.with_name("other.zarr"), 2.0)
    os.rename(path, path.with_name("old.zarr"))
    os.rename(other, path)


def test_a_store_as_it_was_is_read(path: Path) -> None:
    fine = store.load(2, str(path), memory_gib=0).fine
    (path / "notes.txt").write_text("beside the arrays")
    assert np.asarray(fine[0]).tolist() == np.full((6, 8), 1.0).tolist()


def test_another_store_in_its_place_is_refused(path: Path) -> None:
    fine = store.load(2, str(path), memory_gib=0).fine
    swapped(path)
    refused(fine[1], path)


def test_one_filled_anew_in_the_same_folder_is_refused(path: Path) -> None:
    fine = store.load(2, str(path), memory_gib=0).fine
    make(path, 2.0)
    refused(fine, path)


def test_one_taken_away_is_refused(path: Path) -> None:
    """Without it all chunks would be missing, which is missing cells to who reads."""
    fine = store.load(2, str(path), memory_gib=0).fine
    shutil.rmtree(path)
    refused(fine, path)


def test_one_that_changes_during_a_read_is_refused(path: Path) -> None:
    opened = store_state(str(path))

    class Slow:
        shape, dtype = (2, 6, 8), np.dtype("float32")

        def __getitem__(self, key: object) -> np.ndarray:
            swapped(path)
            return np.zeros(self.shape)

    array = StoreArray(Slow(), str(path), opened)
    with pytest.raises(InputError, match="made anew or taken away"):
        array[0]
