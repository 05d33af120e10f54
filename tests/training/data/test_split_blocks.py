"""Splits by blocks of coarse cells: what is drawn, what is apart, and that training sees none of the rest."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import InputError
from training.data.blocks import draw_cells
from training.data.region import truth_of
from training.data.split import split_archive
from training.schema.config import parse_config
from training.schema.split import BlockSection, PeriodSplit
from training.trainer.trainer import Trainer

BLOCKS = {"size": 4, "test": 0.25, "validation": 0.2, "buffer": 1, "seed": 1}
TIMES = {
    "space": {"kind": "temporal", "train": [1, 2, 3, 4], "test": [1, 2, 3, 4]},
    "both": {"kind": "temporal", "train": [1, 2, 3, 4], "test": [7, 8], "gap": 1},
}


@pytest.fixture
def configured(settings):
    def make(split, **changes):
        data = {"data": {"name": "small"}, "validation": {"every": 6}, **changes}
        return parse_config({**settings, **data, "split": split})

    return make


def cells_of(valid, wrap=False, **changes):
    return draw_cells(BlockSection(**{**BLOCKS, **changes}), valid, wrap)


def test_blocks_are_whole_apart_and_as_many_as_asked():
    cells = cells_of(np.ones((12, 20), bool))  # 3 × 5 blocks
    assert not (cells.train & cells.test).any() and not (cells.validation & cells.test).any()
    assert not (cells.train & cells.validation).any()
    for part, count in ((cells.test, 4), (cells.validation, 3)):
        shares = part.reshape(3, 4, 5, 4).mean((1, 3))
        assert set(shares.ravel()) <= {0.0, 1.0} and shares.sum() == count


def test_the_buffer_is_a_margin_around_held_out_cells():
    cells = cells_of(np.ones((16, 24), bool), buffer=2, validation=0.0, test=0.01)
    top, left = np.argwhere(cells.test).min(0)
    expected = np.ones((16, 24), bool)
    expected[max(top - 2, 0) : top + 6, max(left - 2, 0) : left + 6] = False
    np.testing.assert_array_equal(cells.train, expected)


def test_round_the_globe_the_margin_goes_round_too():
    found = []
    for seed in range(40):
        cells = cells_of(np.ones((4, 24), bool), wrap=True, test=0.01, validation=0.0, seed=seed)
        if cells.test[0, 0]:
            found.append(cells)
    assert found
    assert all(not cells.train[0, -1] and not cells.train[0, 4] and cells.train[0, -2] for cells in found)


def test_the_seed_decides_and_blocks_without_data_are_not_drawn():
    valid = np.zeros((12, 20), bool)
    valid[:, :8] = True
    first, again, other = (cells_of(valid, seed=seed, buffer=0) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.test, again.test)
    assert (first.test != other.test).any()
    assert first.test.any() and not first.test[:, 8:].any()


def test_wrong_blocks_are_refused(configured, small):
    with pytest.raises(InputError, match="too few"):
        cells_of(np.ones((4, 4), bool))
    with pytest.raises(InputError, match="leaves no coarse cell"):
        cells_of(np.ones((12, 20), bool), buffer=9)
    with pytest.raises(InputError, match="month 1 is in both"):
        configured(TIMES["space"])
    with pytest.raises(InputError, match="no gap"):
        configured({**TIMES["space"], "gap": 1, "blocks": BLOCKS})
    columns = {"train_columns": [0, 1], "test_columns": [1, 2]}
    period = {"kind": "period", "train": [["2001", "2001"]], "test": [["2002", "2002"]]}
    with pytest.raises(InputError, match="by columns or by blocks"):
        configured({**period, **columns, "blocks": BLOCKS})
    with pytest.raises(InputError, match=r"split\.blocks\.size"):
        configured({**TIMES["both"], "blocks": {"test": 0.5}})


@pytest.mark.parametrize("kind", sorted(TIMES))
def test_the_parts_of_a_split_are_apart(configured, small, archive, kind):
    split = split_archive(configured({**TIMES[kind], "blocks": BLOCKS}), archive)
    assert split.train.times == ((0, 1, 2, 3))
    assert split.test.times == ((0, 1, 2, 3) if kind == "space" else (6, 7))
    seen = {}
    for name in ("train", "validation", "test"):
        region = getattr(split, name)
        seen[name] = np.isfinite(truth_of(archive, region, region.times[0])[0])
        assert seen[name].any()
    assert not (seen["train"] & seen["test"]).any() and not (seen["train"] & seen["validation"]).any()
    assert split.held_out
    known = split.training_view.climatology_cells
    np.testing.assert_array_equal(known, split.train.cells)
    assert not (split.test_view.climatology_cells & split.test.cells).any()


def test_nothing_in_training_depends_on_hidden_truth(configured, small, archive, tmp_path):
    """Other truth in held-out cells: the same statistics, batches, losses and weights."""
    config = configured({**TIMES["space"], "blocks": BLOCKS}, steps=5)
    split = split_archive(config, archive)
    hidden = ~split.train.cells.repeat(2, 0).repeat(2, 1)
    fine = archive.fine.copy()
    fine[:, hidden] += 1e4
    other = make_other(archive, fine)
    trainers = [Trainer(config, one, split, tmp_path) for one in (archive, other)]
    assert trainers[0].target == trainers[1].target and trainers[0].scales == trainers[1].scales
    assert trainers[0].sources == trainers[1].sources
    for _ in range(5):
        first, second = (trainer.step().terms for trainer in trainers)
        assert first == second
    # Validation does look at held-out truth, of its own cells.
    assert trainers[0].validate() != trainers[1].validate()
    batch = trainers[0].batch(0)
    assert 0 < np.isfinite(batch.truth.numpy()).mean() < 1


def make_other(archive, fine):
    from dataclasses import replace

    return replace(archive, fine=fine)


def test_the_card_says_which_blocks(configured):
    config = configured({**TIMES["both"], "blocks": BLOCKS})
    assert config.split.region == (
        "all but 45% of the blocks of 4 × 4 coarse cells, and 1 cells around them, drawn with seed 1"
    )
    assert config.split.model_dump(mode="json")["blocks"]["size"] == 4


def test_dates_of_blocks_are_apart_only_where_a_gap_is_asked_for():
    period = {"kind": "period", "train": [["2001", "2003"]], "test": [["2003", "2003"]]}
    for extra, trained in (
        ({}, False),
        ({"blocks": BLOCKS}, True),
        ({"blocks": BLOCKS, "gap_days": 9}, False),
    ):
        split = PeriodSplit(**period, **extra)
        assert split.trains("2003-06-01", 6) == trained
        assert split.trains("2002-06-01", 6) and split.tests("2003-06-01", 6)
        assert split.trains("2002-12-30", 12) == ("gap_days" not in extra)
