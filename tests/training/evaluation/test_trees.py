"""Boosted trees: they learn from covariates, keep to their seed and their tiles, and see what they may."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.errors import InputError
from engine.fields.patch import Patch
from training.data.normalisation import target_spec
from training.data.patches import View, Window, cut
from training.data.split import split_archive
from training.evaluation import trees as module
from training.evaluation.predict import Case, Strip, predict_field
from training.evaluation.scores import score
from training.evaluation.trees import Settings, Trees, tree_cases
from training.schema.config import parse_config

SETTINGS = {
    "model": {"id": "m", "name": "M", "version": "0.1.0", "licence": "x", "citation": "x"},
    "data": {"name": "small"},
    "factor": 2,
    "target": {"transform": "log1p", "bounds": [0, None], "conservation": "multiplicative"},
    "sources": [{"name": "temperature"}, {"name": "elevation"}, {"name": "climatology"}],
    "split": {"kind": "temporal", "train": [1, 2, 3, 4, 5, 6, 7, 8, 9], "test": [10, 11, 12]},
    "steps": 1,
}


@pytest.fixture
def few(monkeypatch):
    """Fit on few cells, so that tests are quick."""
    monkeypatch.setattr(module, "CELLS", 6000)
    monkeypatch.setattr(module, "WINDOWS", 6)
    monkeypatch.setattr(module, "Settings", lambda: Settings(trees=60, smallest_leaf=20))


def made(archive, **changes):
    config = parse_config({**SETTINGS, **changes})
    split = split_archive(config, archive)
    return config, split, target_spec(config, archive, split)


def test_a_covariate_that_carries_the_detail_beats_interpolation(archive, few):
    config, split, target = made(archive)
    cases = tree_cases(config, archive, split, target)
    assert [case.name for case in cases] == ["trees", "trees-climatology"]
    assert [set(case.view.sources) for case in cases] == [
        {"temperature", "elevation"},
        {"temperature", "elevation", "climatology"},
    ]
    base = Trees(target, ())
    plain = Case("base", "base", lambda patch: base.features(patch)[1], base.halo, View(()), 1.0)
    rmse = [score(case, archive, split.test, target).values for case in (plain, *cases)]
    assert rmse[1]["rmse"] < 0.5 * rmse[0]["rmse"]
    assert rmse[2]["rmse"] < 0.5 * rmse[0]["rmse"]
    assert all(values["conservation_residual"] < 1e-3 for values in rmse)


def test_without_a_climatology_there_is_one_case(archive, few):
    config, split, target = made(archive, sources=[{"name": "elevation"}])
    assert [case.name for case in tree_cases(config, archive, split, target)] == ["trees"]


def fitted(archive, seed=0, sources=("elevation",), **more):
    config, split, target = made(archive, sources=[{"name": name} for name in sources], **more)
    specs = [module.bare_spec(section, archive.sources[section.name]) for section in config.sources]
    trees = Trees(target, specs, settings=Settings(trees=40, smallest_leaf=20), seed=seed)
    trees.fit(archive, split, split.training_view, config.sampling)
    return trees, split, target


def test_the_seed_decides(archive, few):
    patch, _ = cut(archive, [Window(10, 0, 0)], (12, 20), 12, View(("elevation",)))
    first, again, other = (fitted(archive, seed)[0].predict(patch) for seed in (3, 3, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_tiles_equal_the_whole(archive, few):
    trees, split, target = fitted(archive)
    case = Case("trees", "Trees", trees.predict, trees.halo, split.test_view, 1.0)
    whole, _ = predict_field(case, archive, target, Strip(10, (0, 20), tile=32))
    tiled, _ = predict_field(case, archive, target, Strip(10, (0, 20), tile=5))
    # Trees are steps: where a feature lies on one, its last digit decides.
    apart = ~torch.isclose(whole, tiled, rtol=1e-4, atol=1e-3)
    assert float(apart.float().mean()) < 0.05  # and the residual spreads it over a coarse cell
    view = split.test_view
    one, _ = cut(archive, [Window(10, 0, 0)], (12, 20), trees.halo, view)
    two, _ = cut(archive, [Window(10, 4, 6)], (3, 5), trees.halo, view)
    seen, part = trees.features(one)[0], trees.features(two)[0]
    assert torch.allclose(seen[..., 8:14, 12:22], part, rtol=1e-5, atol=1e-3)


def test_truth_with_holes_is_fitted_where_it_is(archive, few):
    fine = archive.fine.copy()
    fine[:, :5] = np.nan
    holed = replace(archive, fine=fine)
    trees, _, _ = fitted(holed)
    patch, _ = cut(holed, [Window(10, 0, 0)], (12, 20), trees.halo, View(("elevation",)))
    patch.target[0, trees.halo + 3, trees.halo + 3] = torch.nan
    field = trees.predict(patch)
    assert field.shape == (1, 24, 40) and field.dtype == torch.float32
    assert torch.equal(torch.isnan(field).nonzero()[:, 1:].unique(dim=0).amin(0), torch.tensor([6, 6]))
    assert int(torch.isnan(field).sum()) == 4 and float(field.nan_to_num(0).min()) >= 0
    with pytest.raises(InputError, match="no fine truth anywhere"):
        fitted(replace(archive, fine=np.full_like(fine, np.nan)))


def test_ground_features_and_season(archive, few):
    config, _, target = made(archive)
    specs = [module.bare_spec(s, archive.sources[s.name]) for s in config.sources[:2]]
    trees = Trees(target, specs, season=True)
    elevation = next(s for s in trees.sources if s.name == "elevation")
    assert elevation.derived == ("anomaly", "position")
    patch, _ = cut(archive, [Window(2, 0, 0)], (12, 20), trees.halo, View(("temperature", "elevation")))
    seen, base = trees.features(patch)
    assert base.shape == (1, 24, 40)
    assert seen.shape == (1, 1 + 1 + 1 + (1 + 1 + 2) + 2, 24, 40)  # base, target, temperature, ground, season
    assert float(seen[:, -2:].square().sum(1).mean()) == pytest.approx(1, abs=1e-5)


def test_a_missing_source_and_unfitted_trees_are_named(archive):
    config, _, target = made(archive)
    specs = [module.bare_spec(s, archive.sources[s.name]) for s in config.sources[1:2]]
    trees = Trees(target, specs)
    patch = Patch(2, trees.halo, torch.ones(1, 30, 30))
    with pytest.raises(InputError, match="fitted before"):
        trees.predict(patch)
    with pytest.raises(InputError, match="elevation"):
        trees.features(patch)


def test_nothing_is_fitted_to_the_truth_of_held_out_blocks(archive, few):
    blocks = {"size": 4, "test": 0.4, "buffer": 1}
    config, split, target = made(archive, split={**SETTINGS["split"], "blocks": blocks})
    fine = archive.fine.copy()
    fine[:, ~split.train.cells.repeat(2, 0).repeat(2, 1)] *= 7
    found = []
    for one in (archive, replace(archive, fine=fine)):
        case = tree_cases(config, one, split, target)[0]
        found.append(predict_field(case, archive, target, Strip(9, (0, 20)))[0])
    assert torch.isfinite(found[0]).all() and torch.equal(*found)
