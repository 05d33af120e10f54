"""The regression on the coarse cells around as a part of a base: chosen, out of sample, or told why not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.errors import InputError
from engine.specs import BaseSpec
from tests.training.evaluation.test_neighbourhood import SETTINGS, SHAPE, SIGNED, K, daily
from training.data.normalisation import target_spec
from training.data.patches import View, Window, cut
from training.data.region import Region
from training.data.split import split_archive
from training.evaluation import base_choice as module
from training.evaluation import neighbourhood
from training.evaluation.base_choice import (
    base_in_words,
    best_base,
    choose_base,
    error_products,
    no_regression,
    places_of,
)
from training.evaluation.cases import baseline_cases
from training.evaluation.neighbourhood import NAME, NeighbourhoodRegression
from training.schema.config import parse_config

SPLIT = {"kind": "period", "train": [["2000-01", "2003-12"]], "test": [["2004-01", "2005-12"]]}
FEWER = {**SETTINGS, "split": SPLIT}


def made(archive, **changes):
    config = parse_config({**FEWER, "base": "auto", **changes})
    split = split_archive(config, archive)
    return config, archive, split, target_spec(config, archive, split)


@pytest.fixture
def days(archive):
    return daily(archive, 160)


def apart(split):
    return replace(
        split, train=replace(split.train, columns=(0, 5)), test=replace(split.test, columns=(5, 8))
    )


def test_it_is_chosen_where_fine_cells_follow_the_coarse_ones_around(days):
    choice = choose_base(*made(days))
    assert dict(choice.spec.weights)[NAME] > 0.9 and choice.regression is not None
    assert choice.rmse[NAME] < 0.5 * choice.rmse["bicubicsmooth"]
    assert NAME in base_in_words(choice) and not choice.left_out
    assert set(choice.folds) == set(made(days)[2].train.times) and len(choice.regression.folds) == 5


def test_its_error_is_that_of_dates_which_the_fit_does_not_know(archive):
    """Few dates: a fit to all of them is far better on these than on others."""
    days = daily(archive, 90)
    noise = np.random.default_rng(9).normal(size=days.fine.shape)
    blocks = noise.reshape(90, SHAPE[0], K, SHAPE[1], K)
    days = replace(days, fine=days.fine + (blocks - blocks.mean((2, 4), keepdims=True)).reshape(noise.shape))
    split = {**SPLIT, "train": [["2000-01", "2001-12"]], "test": [["2002-01", "2003-12"]]}
    config, _, split, target = made(days, split=split)
    regression = NeighbourhoodRegression(target)
    choice = choose_base(config, days, split, target)
    regression.fit(days, split.train, by_block=True)
    assert choice.regression is not None

    def rmse(times, view):
        errors = []
        for time in times:
            patch, truth = cut(days, [Window(time, 0, 0)], SHAPE, regression.halo, view)
            errors.append(regression.predict(patch) - truth)
        return float(torch.cat(errors).square().mean().sqrt())

    within, blind = (rmse(split.train.times, view) for view in (View(()), View((), folds=regression.folds)))
    unseen = rmse(split.test.times, View((), folds=regression.folds))
    assert within < 0.9 * blind and blind == pytest.approx(unseen, rel=0.12)
    assert choice.rmse[NAME] == pytest.approx(blind, rel=0.05)


def test_the_dates_of_a_block_move_nothing_of_the_fit_without_it(days, monkeypatch):
    monkeypatch.setattr(neighbourhood, "RADII", (1,))
    monkeypatch.setattr(neighbourhood, "RIDGES", (1e-3,))  # how to shrink is chosen over all blocks
    region = Region(tuple(range(100)), (0, SHAPE[1]))
    fine = days.fine.copy()
    fine[20:40] *= 3  # the second block
    fields = []
    for one in (days, replace(days, fine=fine)):
        regression = NeighbourhoodRegression(SIGNED)
        regression.fit(one, region, by_block=True)
        patch, _ = cut(days, [Window(25, 0, 0)], SHAPE, regression.halo, View((), folds=regression.folds))
        fields.append((regression.fitted.relation.weights, regression.predict(patch)))
    assert not torch.allclose(fields[0][0], fields[1][0], atol=0.1)
    assert torch.equal(fields[0][1], fields[1][1])


def test_on_other_places_it_is_no_candidate_and_blocks_are_of_places(days):
    config, _, split, target = made(days)
    split = apart(split)
    choice = choose_base(config, days, split, target)
    assert NAME not in choice.rmse and choice.regression is None
    assert "the test's cells have no truth in training" in base_in_words(choice)
    with pytest.raises(InputError, match="base: neighbourhood cannot be: the test's cells"):
        choose_base(parse_config({**FEWER, "base": NAME}), days, split, target)
    cases = baseline_cases(K, target, split.training_view, days.sources)[:2]
    products, counts = error_products(cases, days, split, target)
    assert (counts / counts[-1]).tolist() == [2, 1, 1, 1, 1]  # six rows
    # What differs in one place alone is one block's.
    fine = days.fine.copy()
    fine[:, 3 * K : 4 * K] += 50
    moved, _ = error_products(cases, replace(days, fine=fine), split, target)
    changed = ~np.isclose(moved, products, rtol=1e-4).all((1, 2))
    assert changed.tolist() == [False, False, True, False, False]


def test_places_share_the_cells_with_truth_evenly(days):
    shares = ((0, 2), (2, 3), (3, 5), (5, 6), (6, 7))
    wide = places_of(days, Region((0,), (1, 8)))
    assert [part[1] for part in wide] == [slice(a * K, b * K) for a, b in shares]
    cells = np.zeros(SHAPE, bool)
    cells[:, 4:] = True
    shared = places_of(days, Region((0,), (0, 8), cells))
    assert shared[0] == (slice(None), slice(0, 5 * K)) and shared[-1][1].stop == 8 * K
    tall = places_of(days, Region((0,), (0, 3)))
    assert all(part[1] == slice(None) for part in tall) and tall[-1][0].stop == SHAPE[0] * K
    assert len(places_of(replace(days, coarse=days.coarse[:, :1]), Region((0,), (0, 1)))) == 1


def test_it_is_left_out_where_it_cannot_be(days, monkeypatch):
    config, _, split, _ = made(days)
    assert no_regression(config, days, split) == ""
    for key in ("flip_horizontal", "flip_vertical"):
        turned = parse_config({**FEWER, "sampling": {key: True}})
        assert "turns or scales" in no_regression(turned, days, split)
    monkeypatch.setattr(module, "MAX_REGRESSION_BYTES", 1000)
    assert "more than the 1.0 kB of a package" in no_regression(config, days, split)
    choice = choose_base(*made(days))
    assert NAME not in choice.rmse and "Without the regression" in base_in_words(choice)


def test_where_it_finds_nothing_its_name_means_interpolation(archive):
    days = daily(archive, 60, related=False)
    split = {**SPLIT, "train": [["2000-01", "2001-01"]], "test": [["2002-01", "2002-12"]]}
    choice = choose_base(*made(days, base=NAME, split=split))
    assert choice.spec == BaseSpec((("bicubicsmooth", 1.0),)) and choice.regression is None
    assert "no better than interpolation" in base_in_words(choice)


def test_a_given_base_has_its_regression_fitted_anew_or_left_out(days):
    given = BaseSpec(((NAME, 0.75), ("bilinear", 0.25)))
    config, _, split, target = made(days, base="default")
    taken = choose_base(config, days, split, target, given)
    assert taken.spec == given and taken.regression is not None
    fewer = choose_base(config, days, apart(split), target, given)
    assert fewer.spec == BaseSpec((("bilinear", 1.0),)) and fewer.regression is None


def test_the_order_of_methods_does_not_matter_to_the_blend():
    products = np.stack([np.array([[1.0, 0.2], [0.2, 2.0]])] * 3)
    one = dict(best_base(["a", "b"], products, np.ones(3)).spec.weights)
    other = dict(best_base(["b", "a"], products[:, ::-1, ::-1], np.ones(3)).spec.weights)
    assert one == pytest.approx(other, abs=1e-4)
