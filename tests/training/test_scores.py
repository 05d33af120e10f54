"""The simple methods' scores on the real test months, and scoring by tiles."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from engine.card import TargetSpec
from training.data import itur
from training.data.patches import View
from training.scores import Region, baseline_cases, predict_field, score, table

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
    assert {case.name for case in cases} == {
        "bilinear",
        "bilinear-conservative",
        "bicubic",
        "bicubic-conservative",
        "bicubicsmooth",
    }
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
    whole, _ = predict_field(cases[name], rain, 10, (100, 180), TARGET, tile=180)
    tiled, _ = predict_field(cases[name], rain, 10, (100, 180), TARGET, tile=23)
    assert torch.allclose(whole, tiled, rtol=1e-5, atol=1e-4)


def test_the_table_marks_the_best(rain, cases):
    region = Region((10,), (0, 40))
    chosen = ("bilinear", "climatologyratio-conservative")
    text = table([score(cases[name], rain, region, TARGET) for name in chosen], "mm/month")
    lines = text.splitlines()
    assert "RMSE" in lines[0] and "mm/month" in lines[-1]
    assert "*" not in lines[2].split("bias")[0].split("+")[0] and lines[3].count("*") >= 3
