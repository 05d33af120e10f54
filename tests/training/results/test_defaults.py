"""The defaults, told from records: how much of the bar is the estimate's, how much the members'."""

from __future__ import annotations

import pytest

from training.records.record import Record, append
from training.results.claims.context import ResultsContext
from training.results.claims.defaults import BARS, defaults
from training.results.claims.member_generators import member_generators
from training.results.told_defaults import SETS, defaults_in_words
from training.results.told_numbers import ToldNumbers


def record(stem: str = "swe", crps: float = 0.06, high: float = 0.84) -> Record:
    """Return an evaluation of a default model with an RMSE of 0.16 and an MAE of 0.08."""
    model = f"{stem.replace('_', '')}default"
    rmse = {"bilinear": 0.4, "neighbourhood": 0.2, "trees": 0.22, f"{model}-base": 0.1, model: 0.16}
    ratios = {
        name: {"value": 0.16 / value, "low": 0.7, "high": high, "dates": 22, "places": 6}
        for name, value in rmse.items()
        if name != model
    }
    drawn = {"crps": crps, "spread_skill": 0.9, "few": "6 places only"}
    drawn["over_least_mae"] = [crps / 0.1, crps / 0.1 - 0.02, crps / 0.1 + 0.04]
    return Record(
        id=f"{model}-evaluation",
        kind="evaluation",
        config=f"training/configs/defaults/{stem}.yaml",
        hash="1" * 64,
        seed=0,
        steps=1,
        command="python -m training.evaluate x",
        metrics={name: {"rmse": value, "mae": value / 2} for name, value in rmse.items()},
        finished="2026-01-01T00:00:00Z",
        notes={
            "units": "m",
            "model": model,
            "titles": {name: name.title() for name in rmse},
            "simple": ["bilinear", "neighbourhood"],
            "least_mae": "neighbourhood",
            "ratios": ratios,
            "ensembles": {model: drawn},
        },
    )


def test_what_the_bar_asks_of_the_estimate_stands_beside_what_it_has(tmp_path) -> None:
    append(tmp_path / "a.jsonl", record())
    context = ResultsContext(print, folder=tmp_path)
    section = defaults(context)
    ratio, sharp = section.claims
    assert ratio.claim == "RMSE of swedefault over that of the best other method, Neighbourhood"
    assert ratio.holds and ratio.value == pytest.approx(0.8) and ratio.few == "6 places only"
    assert sharp.value == pytest.approx(0.6) and sharp.holds
    figures = {one.claim: one.value for one in section.figures}
    assert figures["MAE of swedefault over that of the best simple method"] == pytest.approx(0.8)
    assert figures["fair CRPS of swedefault over its own MAE"] == pytest.approx(0.75)
    words = "MAE of swedefault over the best simple method's with which its members would keep the bar"
    assert figures[words] == pytest.approx(0.65 / 0.75)
    assert member_generators(context).missing  # its records are no other part's
    text = " ".join(defaults_in_words(ToldNumbers(section, context)))
    assert "(not simulated)" in text and "0.65 asks for 0.87 times the simple method's MAE" in text


def test_a_claim_holds_by_its_whole_interval(tmp_path) -> None:
    append(tmp_path / "a.jsonl", record(crps=0.062, high=0.86))
    ratio, sharp = defaults(ResultsContext(print, folder=tmp_path)).claims
    assert (ratio.verdict, sharp.verdict) == ("not surely", "not surely")


def test_every_configuration_has_its_bar_and_its_words() -> None:
    assert {f"{stem.replace('_', '')}default" for stem in BARS} == set(SETS) | {"rainspacedefault"}
