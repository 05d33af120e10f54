"""The conservation strength with the least error on dates held out."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from engine.errors import InputError
from training.bias.strength import best_strength, strength_to_train_with
from training.data.archive import block_mean
from training.data.region import Region

K = 2


def split_of(times: int) -> SimpleNamespace:
    return SimpleNamespace(train=Region(tuple(range(times)), (0, 6)))


def archive(error: float, times: int = 300) -> SimpleNamespace:
    """A truth of one signal for all cells, and a coarse product of it with errors of each cell's own."""
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((times, 1, 1))
    truth = signal + 0.1 * rng.standard_normal((times, 4 * K, 6 * K))
    coarse = block_mean(truth.astype(np.float32), K)
    coarse = coarse + error * rng.standard_normal(coarse.shape).astype(np.float32)
    return SimpleNamespace(
        factor=K, shape=(4, 6), coarse=coarse, fine=truth.astype(np.float32), area=None, wrap=False
    )


def test_what_is_exact_is_conserved_and_what_errs_the_less_the_more_it_errs() -> None:
    exact, good, poor = (strength_to_train_with(archive(e), split_of(300)) for e in (0.0, 0.03, 1.0))
    assert exact == 1
    assert 0 <= poor < 0.2 < good < 1


def test_the_best_strength_is_that_of_the_least_squares() -> None:
    rng = np.random.default_rng(1)
    truth, free = rng.standard_normal((2, 50, 60))
    conserved = truth + 2 * rng.standard_normal(truth.shape)
    conserved[3] = np.nan
    errors = {
        s / 1000: float(np.nanmean((free + s / 1000 * (conserved - free) - truth) ** 2)) for s in range(1001)
    }
    assert best_strength([(free, conserved, truth)]) == pytest.approx(min(errors, key=errors.get), abs=1e-3)
    assert best_strength([(free, truth, truth)]) == 1
    assert best_strength([(truth, free, truth)]) == 0
    assert best_strength([(free, free, truth)]) == 1  # it does not matter


def test_without_dates_to_hold_out_there_is_no_choice() -> None:
    with pytest.raises(InputError, match=r"target.strength: auto needs training dates"):
        strength_to_train_with(archive(0.1, times=1), split_of(1))
