"""Evaluations on data that are not shipped, told from their records."""

from __future__ import annotations

import pytest

from training.records.record import Record, append
from training.results.claims.another_climate import another_climate, best_interpolation
from training.results.claims.context import ResultsContext

SIMPLE = ("bilinear", "bicubic-conservative", "neighbourhood")


def record(**notes: object) -> Record:
    """Return an evaluation of a model that conserves, in another climate."""
    change = {"change_mean": 2.5, "change_mean_kept": 1.0, "change_coarse_gap": 1e-6}
    numbers = {"rmse": 1.0, "mae": 0.8, "bias": 0.0, "js_distance": 0.1, "change_mean_rmse": 0.2, **change}
    return Record(
        id="m-evaluation",
        kind="evaluation",
        config="training/configs/m.yaml",
        hash="1" * 64,
        seed=0,
        steps=1,
        command="python -m training.evaluate training/configs/m.yaml",
        metrics={
            "bilinear": {**numbers, "rmse": 1.5},
            "bicubic-conservative": numbers,
            "neighbourhood": {**numbers, "rmse": 0.6},
            "m": {**numbers, "rmse": 0.5, "change_mean_rmse": 0.1},
            "m-free": {"change_mean": 2.0},
        },
        finished="2026-01-01T00:00:00Z",
        notes={
            "units": "degC",
            "model": "m",
            "titles": {
                n: n.title() for n in ("bilinear", "bicubic-conservative", "neighbourhood", "m", "m-free")
            },
            "simple": ["bilinear", "bicubic-conservative", "neighbourhood"],
            **notes,
        },
    )


def test_a_record_is_held_to_its_bars(tmp_path) -> None:
    change = {"earlier": ["1997", "2002", 9], "later": ["2080", "2100", 9], "coarse": 2.5, "truth": 2.5}
    bias = {"coarse_rmse": [2.0, 1.5]}
    append(tmp_path / "a.jsonl", record(change=change, bias=bias, strength=0.25))
    section = another_climate(ResultsContext(print, folder=tmp_path))
    values = {claim.claim: claim.value for claim in section.claims}
    assert [claim.holds for claim in section.claims] == [True, True, True]
    assert values["RMSE of m over that of Bicubic-Conservative, the best interpolation"] == 0.5
    assert values["RMSE of the mean change of m over that of Bicubic-Conservative"] == pytest.approx(0.5)
    figures = {claim.claim: claim.value for claim in section.figures}
    assert figures["mean change of m without conservation, degC"] == 2.0
    assert figures["conservation strength of m"] == 0.25
    assert "change_q95_rmse" in section.text and "Neighbourhood" in section.text


def test_a_fit_to_the_truth_is_no_interpolation_and_change_and_bias_may_lack(tmp_path) -> None:
    assert best_interpolation(record())[0] == "bicubic-conservative"
    append(tmp_path / "a.jsonl", record())
    section = another_climate(ResultsContext(print, folder=tmp_path))
    assert len(section.claims) == len(section.figures) == 1
    assert "change_mean" not in section.text


def test_without_a_record_it_says_so(tmp_path) -> None:
    assert another_climate(ResultsContext(print, folder=tmp_path)).missing
