"""Every so many-th date of a store: the same numbers, read at once or where they are looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.data import store
from training.data.lazy import EveryNth, LazyArray


def test_it_reads_the_times_that_are_there_and_no_others() -> None:
    read = []

    class Watched:
        dtype, shape = np.dtype(np.float32), (11, 4, 6)
        values = np.arange(11 * 4 * 6, dtype=np.float32).reshape(shape)

        def __getitem__(self, key: tuple) -> np.ndarray:
            read.append(key[0])
            return self.values[key]

    thinned = LazyArray(EveryNth(Watched(), 3))
    assert thinned.shape == (4, 4, 6)
    np.testing.assert_array_equal(np.asarray(thinned[2]), Watched.values[6])
    np.testing.assert_array_equal(np.asarray(thinned[1:3, 1:, :2]), Watched.values[3:9:3, 1:, :2])
    assert read == [6, 3, 6]
    np.testing.assert_array_equal(thinned[[3, 0]], Watched.values[[9, 0]])
    assert np.asarray(thinned[2:2]).shape == (0, 4, 6)


def test_what_does_not_fit_into_memory_stays_on_disk(days_store: Path) -> None:
    held = store.as_given(str(days_store), 1.0, every=3)
    lazy = store.as_given(str(days_store), 0.0, every=3)
    assert isinstance(held.fine, np.ndarray) and isinstance(lazy.fine, LazyArray)
    assert lazy.fine.shape == held.fine.shape == (4, 12, 12)
    np.testing.assert_array_equal(np.asarray(lazy.fine), held.fine)
    np.testing.assert_array_equal(lazy.coarse, held.coarse)
    assert lazy.dates == held.dates == ("2001-01-01", "2001-01-04", "2001-01-07", "2001-01-10")


@pytest.fixture
def days_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from training.bench import flat
    from training.preparation.prepare import prepare

    monkeypatch.setattr(flat, "CELLS", 6)
    monkeypatch.setattr(flat, "FACTOR", 2)

    def prepared(module: str, given: str, _: str, output: str, *more: str) -> None:
        prepare(Path(given), Path(output))

    monkeypatch.setattr(flat, "peak_of", prepared)
    return flat.made_store(tmp_path, 11)
