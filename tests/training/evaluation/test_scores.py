"""The simple methods' scores on the real test months, and scoring by tiles."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from engine.specs import TargetSpec
from training.data import itur
from training.data.patches import View
from training.data.region import Region
from training.evaluation.cases import baseline_cases
from training.evaluation.percentiles import percentiles, streamed_scale
from training.evaluation.predict import Strip, predict_field
from training.evaluation.scores import (
    Score,
    Scoring,
    band_edges,
    plan_scores,
    score,
    score_together,
)
from training.evaluation.tables import table
from training.metrics.distribution.js_distance import JensenShannonDistance
from training.metrics.distribution.scale import truth_scale
from training.metrics.registry import ENSEMBLE_METRICS, METRICS

TARGET = TargetSpec("rain", "mm/month", "log1p", 1.0, (0.0, None), "multiplicative")
VIEW = View(("climatology",), tuple(range(9)))
# RMSE, MAE (mm/month), JS distance over all cells of months 10–12, 80°N–70°S, 2° → 0.25°.
KNOWN = {
    "bilinear": (13.80, 4.62, 0.0331),
    "bicubic": (12.28, 3.82, 0.0184),
    "bicubic-conservative": (11.90, 3.63, 0.0122),
    "climatologyratioflat": (10.08, 3.22, 0.0120),
    "climatologyratioflat-conservative": (9.12, 2.71, 0.0070),
    "climatologyratio-conservative": (7.90, 2.49, 0.0071),
}


@pytest.fixture(scope="module")
def rain():
    return itur.load(8)


@pytest.fixture(scope="module")
def cases(rain):
    return {case.name: case for case in baseline_cases(8, TARGET, VIEW, rain.sources)}


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_simple_methods_reach_their_known_scores(rain, cases, name):
    found = score(cases[name], rain, Region((9, 10, 11), (0, 180)), TARGET).values
    rmse, mae, js = KNOWN[name]
    assert found["rmse"] == pytest.approx(rmse, rel=0.01)
    assert found["mae"] == pytest.approx(mae, rel=0.01)
    assert found["js_distance"] == pytest.approx(js, rel=0.01, abs=1.5e-4)  # its last digit
    if name.endswith("-conservative"):
        assert found["conservation_residual"] < 1e-3  # 1e-6 of the largest value


def test_the_spatial_hold_out_without_climatology(rain):
    columns = rain.columns_of((90, 180))
    assert columns == (135, 180)
    cases = baseline_cases(8, TARGET, View((), ()), rain.sources)
    names = {case.name for case in cases}
    assert names >= {"bilinear", "bilinear-conservative", "bicubic", "bicubic-conservative", "bicubicsmooth"}
    assert not any("climatology" in case.view.sources for case in cases)
    assert names.isdisjoint({"climatologyratio", "constructedanalogues", "elevationregression"})
    best = next(case for case in cases if case.name == "bicubic-conservative")
    found = score(best, rain, Region((9, 10, 11), columns), TARGET)
    assert found.values["rmse"] == pytest.approx(15.67, rel=0.01)


def test_methods_come_with_the_sources_that_they_name(rain):
    def named(view, sources):
        return {case.name: case.view.sources for case in baseline_cases(8, TARGET, view, sources)}

    view = View(("temperature", "elevation", "climatology"), tuple(range(9)))
    found = named(view, rain.sources)
    assert found["elevationregression"] == found["elevationregression-conservative"] == ("elevation",)
    assert found["climatologyratio"] == ("climatology",) and found["bicubic"] == ()
    assert "elevationregression" not in named(VIEW, rain.sources)
    coarse = {**rain.sources, "elevation": replace(rain.sources["elevation"], grid="coarse")}
    assert "elevationregression" not in named(view, coarse)


@pytest.mark.parametrize("name", ["bicubic-conservative", "climatologyratio"])
def test_tiles_change_nothing(rain, cases, name):
    whole, _ = predict_field(cases[name], rain, TARGET, Strip(10, (100, 180), tile=180))
    tiled, _ = predict_field(cases[name], rain, TARGET, Strip(10, (100, 180), tile=23))
    assert torch.allclose(whole, tiled, rtol=1e-5, atol=1e-4)


def test_the_table_marks_the_best(rain, cases):
    region = Region((10,), (0, 40))
    chosen = ("bilinear", "climatologyratio-conservative")
    text = table([score(cases[name], rain, region, TARGET) for name in chosen], "mm/month")
    lines = text.splitlines()
    assert "RMSE" in lines[0] and "mm/month" in lines[-1]
    assert "*" not in lines[2].split("bias")[0].split("+")[0] and lines[3].count("*") >= 3


@pytest.mark.parametrize(("mae", "expected"), [(2.49, "2.490"), (0.0391, "0.0391"), (0.00391, "0.00391")])
def test_small_errors_keep_three_digits(cases, mae, expected):
    values = dict.fromkeys(METRICS, 0.0) | {"rmse": 2 * mae, "mae": mae, "js_distance": 0.1}
    values["conservation_residual"] = 1e-7
    line = table([Score(cases["bilinear"], values)], "m").splitlines()[2]
    assert line.split()[3] == f"{expected}*" and "0.1000*  1.0e-07 " in f"{line} "


def test_scale_field_by_field_is_that_of_the_whole(rain):
    region = Region((9, 10, 11), (20, 60))
    whole = rain.fine[[9, 10, 11]][..., 160:480]
    found, expected = plan_scores(rain, region).scale, truth_scale(whole.astype(np.float64))
    assert asdict(found) == pytest.approx(asdict(expected), rel=1e-12)
    rng = np.random.default_rng(3)
    values = rng.standard_normal((5, 40, 30)).astype(np.float32)
    values[:, ::3, ::4] = np.nan
    wanted = [0, 0.1, 31.4, 50, 99, 100]
    expected = np.nanpercentile(values.astype(np.float64), wanted)
    assert percentiles(lambda: iter(values), wanted) == pytest.approx(expected, rel=1e-12)
    with pytest.raises(ValueError, match="finite"):
        percentiles(lambda: [np.array([np.nan], np.float32)], [50])


@pytest.mark.parametrize("wet", [0, 3], ids=["dry everywhere", "wet in a few cells"])
def test_a_truth_that_is_nearly_all_one_value_has_a_range(wet):
    truth = np.zeros((2, 100, 100), np.float32)
    truth[0, 0, :wet] = 5
    for scale in (truth_scale(truth), streamed_scale(lambda: iter(truth))):
        assert scale.low < scale.high and (scale.high == 5) == bool(wet)
        metric = JensenShannonDistance(scale.low, scale.high)
        metric.update(truth, truth)
        assert metric.compute() == 0


@pytest.fixture
def noisy(cases):
    """Draws round a simple method, different in every cell, the same for the same seed, member and place."""
    base = cases["bicubic-conservative"]

    def member(patch, seed, number):
        field = base.predict(patch)
        top, left = (int(v) * 8 for v in patch.origin[0])
        rows = torch.arange(top, top + field.shape[-2], dtype=torch.float64)[:, None]
        columns = torch.arange(left, left + field.shape[-1], dtype=torch.float64)
        wave = torch.sin(12.9898 * rows + 78.233 * columns + 3.7 * number + 1.3 * seed)
        return field * (1 + 0.5 * wave).float()

    return replace(base, name="noisy", title="Noisy", member=member)


def test_an_ensemble_is_scored_beside_its_mean_and_one_member(rain, noisy):
    region = Region((9, 11), (100, 140))
    central, mean, one = score_together(
        [(noisy, TARGET)], rain, region, Scoring(keep=True, members=4, seed=2)
    )[0]
    assert [s.case.name for s in (central, mean, one)] == ["noisy", "noisy-mean", "noisy-member"]
    assert "mean of 4 members" in mean.case.title and central.members == 4
    members = np.stack(
        [
            np.stack(
                [
                    predict_field(
                        replace(noisy, predict=lambda patch, m=m, t=t: noisy.member(patch, 2 + t, m)),
                        rain,
                        TARGET,
                        Strip(t, (100, 140)),
                    )[0][0].numpy()
                    for t in (9, 11)
                ]
            )
            for m in (1, 2, 3, 4)
        ]
    )
    truth = rain.fine[[9, 11]][..., 800:1120]
    assert np.allclose(mean.fields, members.mean(0), rtol=1e-4, atol=1e-3)
    assert np.allclose(one.fields, members[0], rtol=1e-4, atol=1e-3)
    assert set(central.ensemble) == set(ENSEMBLE_METRICS) and not mean.ensemble
    whole = ENSEMBLE_METRICS["crps"](plan_scores(rain, region).scale)
    whole.update(members, truth)
    assert central.ensemble["crps"].compute() == pytest.approx(whole.compute(), rel=1e-4)
    assert one.values["conservation_residual"] < 1e-2  # member by member
    assert central.values == score(noisy, rain, region, TARGET).values
    tiled = score(noisy, rain, region, TARGET, Scoring(members=4, seed=2, tile=13))
    for name, metric in central.ensemble.items():
        assert tiled.ensemble[name].compute() == pytest.approx(metric.compute(), rel=1e-4, abs=1e-9)


def test_cases_scored_together_have_the_scores_that_each_has_alone_and_are_predicted_once(rain, cases):
    region, asked = Region((9, 11), (100, 140)), []

    def predict(patch):
        asked.append(patch.origin)
        return cases["bicubic"].predict(patch)

    chosen = [
        replace(cases["bicubic"], predict=predict),
        cases["climatologyratio"],
        replace(cases["bicubic-conservative"], predict=predict),
    ]
    plan = plan_scores(rain, region, further=True)
    together = score_together([(case, TARGET) for case in chosen], rain, region, Scoring(plan))
    assert [[s.case.name for s in found] for found in together] == [[case.name] for case in chosen]
    assert len(asked) == 2, "one prediction of each date for both"
    for case, (found,) in zip(chosen, together):
        alone = score(case, rain, region, TARGET, Scoring(plan))
        assert found.values == alone.values and found.measured.dates == alone.measured.dates
        assert np.array_equal(
            found.measured.shapes.table("ralsd")[1], alone.measured.shapes.table("ralsd")[1]
        )


def test_errors_by_date_and_by_elevation_add_up(rain, cases):
    found = score(cases["bicubic"], rain, Region((9, 10, 11), (60, 120)), TARGET)
    assert list(found.measured.dates) == [9, 10, 11]
    squares = [numbers["rmse"] ** 2 for numbers in found.measured.dates.values()]
    assert np.mean(squares) ** 0.5 == pytest.approx(found.values["rmse"])
    bands = found.measured.bands.compute()
    assert len(bands) > 4 and bands[0].low == -np.inf and bands[-1].high == np.inf
    count = sum(band.count for band in bands)
    assert count == 3 * 600 * 480
    assert sum(band.mae * band.count for band in bands) / count == pytest.approx(found.values["mae"])
    assert all(band.count >= 0.005 * count for band in bands)


def test_bands_have_round_edges_and_enough_cells():
    flat = np.full((20, 20), 30.0)
    assert band_edges(flat) == (-np.inf, np.inf)
    flat[0, 0] = 4000.0  # one cell in 400 is too few
    assert band_edges(flat) == (-np.inf, np.inf)
    flat[5:8] = 1700.0
    assert band_edges(flat) == (-np.inf, 100.0, np.inf)
    assert band_edges(np.full((2, 2), np.nan)) == ()
