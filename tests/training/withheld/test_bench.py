"""The bench's numbers on fields made by hand, its verdicts, and the command from end to end."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from engine.errors import InputError
from engine.specs import TargetSpec
from training import hidden_truth
from training.data.store import as_given
from training.evaluation.bootstrap import Interval
from training.records.record import read
from training.withheld.bench import BenchFolders, run_case
from training.withheld.demands import demands
from training.withheld.engine_methods import MadeField
from training.withheld.oracle import oracle_fields
from training.withheld.problem import Covariate, HiddenCase, hidden_case
from training.withheld.ranking import ranking
from training.withheld.scores import CaseScores, HiddenScore, score


def made_case(truth: np.ndarray, *covariates: Covariate) -> HiddenCase:
    return hidden_case(
        "hand",
        truth,
        2,
        TargetSpec("x", "m"),
        [f"2001-01-{day:02d}" for day in range(1, len(truth) + 1)],
        covariates,
        Affine(1, 0, 0, 0, -1, 0),
        "EPSG:3035",
        title="Made by hand",
        origin="synthetic",
    )


def scored(name: str, group: str, oracle: float = 1.0, **ratios: float) -> CaseScores:
    result = CaseScores(name, name, "synthetic", group, "m", 2, 1.0, oracle, None, True)
    for method, ratio in ratios.items():
        result.methods[method] = HiddenScore(ratio, Interval(ratio, ratio - 0.02, ratio + 0.02), 0.0)
    return result


def test_the_ratio_is_that_of_the_errors() -> None:
    truth = np.random.default_rng(1).normal(size=(2, 16, 16))
    truth[0, :2, :2] = np.nan
    case = made_case(truth)
    away = np.where(np.arange(16) % 2, 1.0, -1.0)
    reference, half = truth + 2 * away, truth + away
    result = score(case, MadeField(half, 1.0), np.nan_to_num(reference))
    assert result.rmse == pytest.approx(1.0)
    assert result.ratio.value == pytest.approx(0.5)
    assert result.ratio.low == pytest.approx(0.5) and result.ratio.high == pytest.approx(0.5)
    assert math.isnan(result.stated) and math.isnan(result.support)


def test_a_method_counts_as_the_reference_where_it_has_no_value() -> None:
    truth = np.zeros((1, 8, 8))
    reference, half = np.full_like(truth, 2.0), np.full_like(truth, 1.0)
    half[:, :4] = np.nan
    result = score(made_case(truth), MadeField(half, 1.0), reference)
    assert result.missing == 0.5
    assert result.rmse == pytest.approx(math.sqrt((4 + 1) / 2))


def test_the_expected_error_is_set_beside_the_real_one() -> None:
    truth = np.zeros((1, 8, 8))
    truth[:, :2, :2] = np.nan
    expected = np.full_like(truth, 1.5)
    expected[:, :2, :2] = 100.0
    made = MadeField(np.full_like(truth, 2.0), 1.0, expected, np.full_like(truth, 0.25))
    result = score(made_case(truth), made, np.full_like(truth, 4.0))
    assert result.stated == pytest.approx(0.75)
    assert result.support == pytest.approx(0.25)


def test_the_oracle_has_what_is_linear_in_the_covariates() -> None:
    rng = np.random.default_rng(2)
    fields = rng.normal(size=(2, 32, 32))
    means = fields.reshape(2, 16, 2, 16, 2).mean((2, 4))
    height, noise = fields - means.repeat(2, 1).repeat(2, 2)  # no coarse cell tells anything of them
    truth = (3 * height + 0.5 * noise)[None].astype(np.float32)
    case = made_case(truth, Covariate("elevation", "m", height[None].astype(np.float32)))
    flat = case.problem.coarse.repeat(2, 1).repeat(2, 2)
    errors = [np.sqrt(np.mean((field - truth) ** 2)) for field in (oracle_fields(case, flat), flat)]
    assert errors[0] / errors[1] == pytest.approx(0.5 / math.hypot(3, 0.5), abs=0.01)


def test_groups_count_alike_and_a_case_left_out_counts_as_the_reference() -> None:
    results = [
        scored("a_1", "a", one=0.5, two=0.8),
        scored("a_2", "a", one=0.5, two=0.8),
        scored("b", "b", two=0.8),
    ]
    ranked = ranking(results)
    assert list(ranked) == ["one", "two"]
    assert ranked["one"].ratio.value == pytest.approx(math.sqrt(0.5))
    assert (ranked["one"].cases, ranked["one"].rank, ranked["two"].cases) == (2, 1, 3)
    assert ranked["two"].ratio.value == pytest.approx(0.8)
    assert math.isnan(ranked["two"].ratio.low), "two groups are too few for an interval"
    many = ranking([scored(name, name, one=0.5 + 0.1 * i) for i, name in enumerate("abcde")])["one"].ratio
    assert 0.5 < many.low < many.value < many.high < 1.0


def test_each_demand_is_judged() -> None:
    results = [
        scored("a", "a", oracle=0.6, sharpen=0.84, dms=0.9),
        replace(scored("b", "b", sharpen=1.02, dms=0.7), seconds=60.0),
        replace(scored("c", "c", sharpen=0.56, dms=0.6), most=0.55, related=False),
    ]
    own = results[2].methods["sharpen"]
    results[2].methods["sharpen"] = replace(own, support=0.2, stated=1.3)
    judged = {(demand.what, demand.where): demand for demand in demands(results, ranking(results), "sharpen")}
    assert [judged["no harm", name].holds for name in "abc"] == [True, False, True]
    assert judged["no harm", "a"].sure and not judged["no harm", "b"].sure
    assert judged["takes what is there", "a"].holds and not judged["takes what is there", "a"].sure
    assert ("takes what is there", "b") not in judged
    assert judged["is quick", "b"].holds and ("is quick", "a") not in judged
    assert not judged["as good as shown before", "c"].holds
    assert not judged["invents nothing", "c"].holds
    assert not judged["states its error", "all"].holds
    assert not judged["better than dms", "all"].holds
    assert not judged["best or near it", "all"].holds


def test_the_command_prints_and_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = tmp_path / "records.jsonl"
    arguments = ["--set", "lapse_1", "--methods", "bilinear", "elevationregression", "--quick"]
    places = ["--output", str(tmp_path / "out"), "--record", str(record)]
    assert hidden_truth.run([*arguments, *places, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    methods = told["cases"]["lapse_1"]["methods"]
    assert methods["bicubicsmooth"]["ratio"] == [1.0, 1.0, 1.0]
    assert methods["elevationregression"]["ratio"][0] < 0.5 < methods["bilinear"]["ratio"][0]
    assert told["cases"]["lapse_1"]["oracle"] < 0.5
    kept = read(record, "hidden_truth")[0]
    assert kept.metrics["lapse_1"]["elevationregression"] == methods["elevationregression"]["ratio"][0]
    assert hidden_truth.run([*arguments, "--judge", "kriging", "--output", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "Lapse, seed 1" in printed and " 1. Elevation regression " in printed
    assert "What is asked of Area-to-point kriging" in printed and "takes what is there" in printed


def test_what_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="--methods: there is no method foo"):
        hidden_truth.run(["--methods", "foo"])
    with pytest.raises(InputError, match="--judge: there is no method foo"):
        hidden_truth.run(["--judge", "foo"])
    with pytest.raises(InputError, match="--shared: there is no folder"):
        hidden_truth.run(["--shared", str(tmp_path / "none")])
    words = ["--set", "measured", "--methods", "bilinear", "--shared", str(tmp_path)]
    assert hidden_truth.run([*words, "--output", str(tmp_path / "out")]) == 0
    told = capsys.readouterr()
    assert "Skipped for want of data: swe16_sierra" in told.out and "aso_swe" in told.err


def test_a_cascade_is_trained_on_what_a_case_gives_and_no_more(tmp_path: Path) -> None:
    """A plain law of height is found; the truth lies nowhere in what it works on."""
    rng = np.random.default_rng(2)
    rough = [
        rng.normal(size=(48 // edge, 64 // edge)).repeat(edge, 0).repeat(edge, 1) for edge in (1, 2, 4, 8)
    ]
    height = (300 * sum(rough)).astype(np.float32)
    truth = (15 - 0.006 * height)[None]
    cover = np.where(height > 0, 1, 2).astype(np.float32)[None]
    covariates = (Covariate("elevation", "m", height[None]), Covariate("cover", "", cover, "class"))
    case = made_case(truth, *covariates)
    folders = BenchFolders(tmp_path / "given", tmp_path / "made")
    result = run_case(case, ["bicubicsmooth", "cascade"], folders)
    assert not result.failed
    told = result.methods["cascade"]
    assert told.ratio.value < 0.7 and told.chosen.startswith("detail × ")
    store = as_given(str(tmp_path / "made" / "hand_cascade" / "store.zarr"))
    assert np.isnan(store.fine).all() and store.sources["cover"].classes == (1, 2)
