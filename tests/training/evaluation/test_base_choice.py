"""The base is the method, or the blend of methods, that errs least on training dates held out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.errors import InputError
from engine.specs import BaseSpec
from training.data.archive import block_mean
from training.data.normalisation import target_spec
from training.data.split import split_archive
from training.evaluation.base_choice import (
    base_cases,
    base_in_words,
    best_base,
    blend_weights,
    choose_base,
)
from training.schema.config import parse_config

SETTINGS = {
    "model": {"id": "m", "name": "M", "version": "0.1.0", "licence": "x", "citation": "x"},
    "data": {"name": "small"},
    "factor": 2,
    "target": {"transform": "identity", "conservation": "additive"},
    "sources": [{"name": "climatology"}],
    "split": {"kind": "temporal", "train": [1, 2, 3, 4, 5, 6, 7, 8, 9], "test": [10, 11, 12]},
    "steps": 1,
}


def patterned(archive, seed=0):
    """Return months of one pattern that does not change, below noise that no month shares."""
    rng = np.random.default_rng(seed)
    pattern = rng.normal(0, 3, archive.fine.shape[1:])
    coarse = np.repeat(np.repeat(rng.normal(0, 3, archive.coarse.shape), 2, 1), 2, 2)
    fine = (pattern + coarse + rng.normal(0, 2, archive.fine.shape)).astype(np.float32)
    return replace(archive, fine=fine, coarse=block_mean(fine, 2), units="K")


def made(archive, **changes):
    config = parse_config({**SETTINGS, **changes})
    split = split_archive(config, archive)
    return config, archive, split, target_spec(config, archive, split)


def test_the_flat_climatology_is_chosen_where_analogues_follow_noise(archive):
    choice = choose_base(*made(patterned(archive), base="auto"))
    assert choice.rmse["climatologyratioflat"] < 0.95 * choice.rmse["constructedanalogues"]
    weights = dict(choice.spec.weights)
    assert max(weights, key=lambda id: weights[id]) == "climatologyratioflat"
    assert "climatologyratioflat" in base_in_words(choice)


def test_of_the_default_base_nothing_is_chosen_and_a_name_is_taken_as_it_is(archive):
    assert choose_base(*made(archive, base="default")).spec == BaseSpec()
    named = choose_base(*made(archive, base="climatologyratio"))
    assert named.spec == BaseSpec((("climatologyratio", 1.0),)) and not named.rmse


def test_a_method_that_cannot_be_is_refused_by_its_name(archive):
    with pytest.raises(InputError, match="base: climatologyratio needs"):
        choose_base(*made(archive, base="climatologyratio", sources=[{"name": "elevation"}]))
    with pytest.raises(InputError, match="base: must be one of default, auto, blend"):
        parse_config({**SETTINGS, "base": "sharpen"})


def test_no_climatology_is_counted_on_where_training_knows_no_tested_cell(archive):
    config, archive, split, target = made(archive, base="auto")
    assert "climatologyratioflat" in base_cases(config, archive, split, target)
    apart = replace(
        split, train=replace(split.train, columns=(0, 10)), test=replace(split.test, columns=(10, 20))
    )
    assert set(base_cases(config, archive, apart, target)) == {"bilinear", "bicubic", "bicubicsmooth"}


def test_weights_are_those_of_least_squares():
    # Errors that are independent: in proportion to what is known, 1/variance.
    assert blend_weights(np.diag([1.0, 4.0])) == pytest.approx([0.8, 0.2], abs=1e-4)
    # One that adds to another's error what it does not take away gets none.
    assert blend_weights(np.array([[1.0, 1.5], [1.5, 4.0]])) == pytest.approx([1.0, 0.0], abs=1e-4)
    assert blend_weights(np.zeros((2, 2))) == pytest.approx([0.5, 0.5])


def test_a_blend_must_gain_on_blocks_that_its_weights_do_not_know():
    independent = np.stack([np.diag([1.0, 1.0])] * 5)
    chosen = best_base(["a", "b"], independent, np.ones(5))
    assert dict(chosen.spec.weights) == pytest.approx({"a": 0.5, "b": 0.5}, abs=1e-3)
    assert chosen.rmse["blend"] == pytest.approx(0.5**0.5, rel=1e-3)
    # b errs as a does, and more.
    alike = np.stack([np.array([[1.0, 1.0], [1.0, 1.2]])] * 5)
    assert best_base(["a", "b"], alike, np.ones(5)).spec == BaseSpec((("a", 1.0),))
    assert sum(dict(best_base(["a", "b"], alike, np.ones(5), True).spec.weights).values()) == 1
    with pytest.raises(InputError, match="no training date has truth"):
        best_base(["a"], np.zeros((1, 1, 1)), np.zeros(1))


def test_held_out_dates_alone_decide(archive):
    """The test's truth and that of validation move nothing."""
    config, whole, split, target = made(patterned(archive), base="auto")
    fine = whole.fine.copy()
    fine[list(split.test.times)] *= 7
    other = replace(whole, fine=fine)
    assert choose_base(config, whole, split, target) == choose_base(config, other, split, target)


def test_a_network_that_finds_the_relation_stands_on_no_regression_on_covariates(archive):
    sources = [{"name": "elevation"}, {"name": "climatology"}]
    plain, own = (
        set(choose_base(*made(patterned(archive), base="auto", sources=sources, network=network)).rmse)
        for network in ({}, {"kind": "perceptron"})
    )
    assert {"elevationregression", "elevationregressionlocal"} <= plain
    assert {"bicubicsmooth", "constructedanalogues"} <= own < plain
    assert not {id for id in own if id.startswith("elevation")}
