"""Fields that keep what metrics derive from them: the same numbers, made once, with any holes."""

from __future__ import annotations

import numpy as np
import pytest

from training.metrics.distribution.scale import truth_scale
from training.metrics.registry import FURTHER_METRICS, METRICS
from training.metrics.structure.field import Field, pair


@pytest.fixture(scope="module")
def fields():
    """A truth and three predictions, the last with a hole that the truth does not have."""
    rng = np.random.default_rng(0)
    truth = rng.gamma(1.0, 2.0, (24, 30)).astype(np.float32)
    truth[3:7, 5:9] = np.nan
    near = [(truth + rng.normal(0, 0.3, truth.shape)).astype(np.float32) for _ in range(3)]
    near[2][10:12, 20:25] = np.nan
    return truth, near


def metrics(truth):
    scale = truth_scale(truth)
    return {name: make(scale) for name, make in {**METRICS, **FURTHER_METRICS}.items()}


def test_metrics_that_share_fields_find_what_each_finds_alone(fields):
    truth, near = fields
    alone, sharing, shared = metrics(truth), metrics(truth), Field(truth)
    for prediction in near:
        pairs = pair(prediction, shared)
        for name in alone:
            alone[name].update(prediction[None], truth[None])
            sharing[name].update(*pairs)
    assert {n: m.compute() for n, m in sharing.items()} == {n: m.compute() for n, m in alone.items()}


def test_a_thing_is_made_once(fields):
    made = []
    field = Field(fields[0])
    for _ in range(2):
        assert field.once("a", lambda: made.append(1) or 7) == 7
    assert made == [1] and field.values is field.values
    assert np.array_equal(np.asarray(field), fields[0].astype(np.float64), equal_nan=True)


def test_the_truth_is_shared_where_the_prediction_is_valid_and_narrowed_where_it_is_not(fields):
    truth, near = Field(fields[0]), fields[1]
    first, second, holed = (pair(one, truth) for one in near)
    assert first[1] is second[1] is truth and first[0].valid is truth.valid
    assert holed[1] is not truth and holed[1].cells.size == truth.cells.size - 10
    assert np.array_equal(np.isnan(holed[0].values), np.isnan(holed[1].values))
    assert pair(*holed) == holed


def test_fields_of_two_shapes_are_no_pair():
    with pytest.raises(ValueError, match="differ in shape"):
        pair(np.zeros((2, 3)), Field(np.zeros((3, 2))))
