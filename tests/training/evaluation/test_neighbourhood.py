"""The regression on the coarse cells around: it finds what there is, and never harms where dates are few."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.disaggregation.base_field import BASE_HALO, base_field
from engine.fields.patch import Patch
from engine.specs import TargetSpec
from training.data.patches import View, Window, cut
from training.data.region import Region
from training.data.split import split_archive
from training.evaluation import neighbourhood as module
from training.evaluation.cases import baseline_cases, is_interpolation
from training.evaluation.comparison import evaluate_all
from training.evaluation.neighbourhood import NAME, NeighbourhoodRegression, neighbourhood_cases
from training.evaluation.predict import Strip, predict_field
from training.evaluation.scores import score
from training.schema.config import parse_config

K, SHAPE, DAY = 2, (6, 8), 352
SIGNED = TargetSpec("t", "K", range=(-3.0, 3.0))
WET = TargetSpec(
    "p", "mm", transform="cuberoot", bounds=(0.0, None), conservation="multiplicative", range=(0.0, 9.0)
)


def daily(archive, dates, seed=0, related=True):
    """Return an archive of days whose detail is a fixed linear function of the coarse cells around."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(size=(dates, *SHAPE)).astype(np.float32)
    # Each fine cell leans to neighbours of its own, in another way than interpolation does.
    lean = rng.normal(size=(3, 3, SHAPE[0], K, SHAPE[1], K)) * (0.5 if related else 0)
    lean -= lean.mean((3, 5), keepdims=True)
    padded = np.pad(coarse, ((0, 0), (1, 1), (1, 1)), mode="edge")
    fine = np.repeat(np.repeat(coarse, K, 1), K, 2).reshape(dates, SHAPE[0], K, SHAPE[1], K)
    for row in range(3):
        for column in range(3):
            around = padded[:, row : row + SHAPE[0], column : column + SHAPE[1]]
            fine = fine + lean[row, column] * around[:, :, None, :, None]
    noise = rng.normal(size=fine.shape) * (0.05 if related else 1)
    fine = fine + noise - noise.mean((2, 4), keepdims=True)
    if not related:  # interpolation is all there is
        around = torch.from_numpy(np.pad(coarse, ((0, 0), *[(BASE_HALO,) * 2] * 2), constant_values=np.nan))
        smooth = base_field(Patch(K, BASE_HALO, around), SIGNED, (), 0).numpy()
        fine = smooth.reshape(fine.shape) + noise - noise.mean((2, 4), keepdims=True)
    return replace(
        archive,
        coarse=coarse,
        fine=fine.reshape(dates, SHAPE[0] * K, SHAPE[1] * K).astype(np.float32),
        months=np.full(dates, 1),
        days=np.arange(dates) % 28 + 1,
        dates=tuple(f"{2000 + i // 28}-01-{i % 28 + 1:02d}" for i in range(dates)),
        sources={},
        area=None,
        cell_size=archive.cell_size[:, : SHAPE[0] * K],
        wrap=False,
    )


def errors(archive, train, test, target=SIGNED):
    """Return the RMSE of the regression and of smooth interpolation on the test's dates."""
    regression = NeighbourhoodRegression(target)
    regression.fit(archive, Region(train, (0, SHAPE[1])))
    region = Region(test, (0, SHAPE[1]))
    cases = baseline_cases(K, target, View(()), {})
    smooth = next(case for case in cases if case.name == "bicubicsmooth")
    case = replace(smooth, name=NAME, predict=regression.predict, halo=regression.halo)
    found = [score(one, archive, region, target).values["rmse"] for one in (case, smooth)]
    return regression, found


def test_a_linear_function_of_the_coarse_cells_around_is_recovered(archive):
    days = daily(archive, 400)
    regression, (found, smooth) = errors(days, tuple(range(340)), tuple(range(340, 400)))
    assert regression.fit_chosen is not None
    assert smooth > 0.5 and found == pytest.approx(0.05 * 0.75**0.5, rel=0.1)  # the noise alone


def test_missing_truth_and_missing_coarse_cells_do_no_harm(archive):
    days = daily(archive, 400)
    rng = np.random.default_rng(5)
    fine, coarse = days.fine.copy(), days.coarse.copy()
    fine[rng.random(fine.shape) < 0.3] = np.nan
    fine[:, 4, 4] = np.nan
    fine[:200, :4] = np.nan
    coarse[rng.random(coarse.shape) < 0.02] = np.nan
    coarse[DAY, 2, 3] = np.nan
    holed = replace(days, fine=fine, coarse=coarse)
    regression, (found, smooth) = errors(holed, tuple(range(340)), tuple(range(340, 400)))
    assert found < 0.45 * smooth
    patch, _ = cut(holed, [Window(DAY, 0, 0)], SHAPE, regression.halo, View(()))
    field = regression.predict(patch)[0]
    missing = torch.from_numpy(np.isnan(coarse[DAY])).repeat_interleave(K, 0).repeat_interleave(K, 1)
    assert bool(missing.any())
    assert torch.equal(torch.isnan(field), missing)


@pytest.mark.parametrize("dates", [2, 3])
def test_with_very_few_dates_it_is_interpolation(archive, dates):
    days = daily(archive, 30)
    regression, (found, smooth) = errors(days, tuple(range(dates)), tuple(range(10, 30)))
    assert regression.fit_chosen is None and found == smooth


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dates", [6, 40])
def test_without_a_relation_it_stays_interpolation(archive, dates, seed):
    days = daily(archive, dates + 40, seed, related=False)
    regression, (found, smooth) = errors(days, tuple(range(dates)), tuple(range(dates, dates + 40)))
    assert regression.fit_chosen is None and found == smooth


def test_a_quantity_from_zero_stays_in_its_bounds_and_conserves(archive):
    days = daily(archive, 300)
    fine = np.maximum(days.fine, 0) ** 2
    coarse = fine.reshape(300, SHAPE[0], K, SHAPE[1], K).mean((2, 4)).astype(np.float32)
    wet = replace(days, coarse=coarse, fine=fine)
    regression, (found, smooth) = errors(wet, tuple(range(250)), tuple(range(250, 300)), WET)
    assert found < 0.9 * smooth
    patch, _ = cut(wet, [Window(260, 0, 0)], SHAPE, regression.halo, View(()))
    assert float(regression.predict(patch).min()) >= 0


def test_strips_and_tiles_change_nothing(archive, monkeypatch):
    days = daily(archive, 120)
    whole = errors(days, tuple(range(100)), (100, 110))[0]
    monkeypatch.setattr(module, "SUMS", 1)
    strips = errors(days, tuple(range(100)), (100, 110))[0]
    assert len(list(module._strips(days, Region((0,), (0, SHAPE[1])), 5, 1))) == SHAPE[0]
    assert whole.fit_chosen == strips.fit_chosen
    fields = []
    for one, tile in ((whole, 32), (strips, 32), (whole, 3)):
        case = neighbourhood_case(one)
        fields.append(predict_field(case, days, SIGNED, Strip(105, (0, SHAPE[1]), tile=tile))[0])
    assert torch.allclose(fields[0], fields[1], atol=1e-4) and torch.allclose(fields[0], fields[2], atol=1e-5)


def neighbourhood_case(regression):
    smooth = next(c for c in baseline_cases(K, SIGNED, View(()), {}) if c.name == "bicubicsmooth")
    return replace(smooth, predict=regression.predict, halo=regression.halo, fitted=True)


SETTINGS = {
    "model": {"id": "m", "name": "M", "version": "0.1.0", "licence": "x", "citation": "x"},
    "data": {"name": "small"},
    "factor": 2,
    "target": {"transform": "identity", "conservation": "additive"},
    "sources": [],
    "split": {"kind": "period", "train": [["2000-01", "2010-12"]], "test": [["2011-01", "2014-12"]]},
    "steps": 1,
}


def test_it_stands_among_the_simple_methods_and_can_be_the_strongest(archive, monkeypatch):
    monkeypatch.setattr("training.evaluation.trees.tree_cases", lambda *_: [])
    days = daily(archive, 400)
    config = parse_config(SETTINGS)
    evaluation = evaluate_all(config, days, split_archive(config, days), further=False, samples=20)
    assert evaluation.score(NAME).case.group == "simple" and evaluation.reference == NAME
    assert not is_interpolation(evaluation.score(NAME).case)
    assert evaluation.score(NAME).values["conservation_residual"] < 1e-3


def test_nothing_is_learnt_from_held_out_cells(archive):
    days = daily(archive, 200)
    cells = np.zeros(SHAPE, bool)
    cells[:, :5] = True
    fine = days.fine.copy()
    fine[:, :, 5 * K :] *= 7
    fields = []
    for one in (days, replace(days, fine=fine)):
        regression = NeighbourhoodRegression(SIGNED)
        regression.fit(one, Region(tuple(range(150)), (0, SHAPE[1]), cells))
        fields.append(predict_field(neighbourhood_case(regression), days, SIGNED, Strip(160, (0, 8)))[0])
    assert torch.equal(*fields)


def test_where_no_cell_of_the_test_was_trained_there_is_no_row(archive):
    days = daily(archive, 60)
    config = parse_config({**SETTINGS, "split": {**SETTINGS["split"], "train": [["2000-01", "2001-12"]]}})
    config = parse_config({**SETTINGS, "split": {**SETTINGS["split"], "test": [["2002-01", "2002-12"]]}})
    split = split_archive(config, days)
    apart = replace(
        split, train=replace(split.train, columns=(0, 4)), test=replace(split.test, columns=(4, 8))
    )
    assert neighbourhood_cases(days, apart, SIGNED) == []
