"""What members are drawn by, told from records of evaluations."""

from __future__ import annotations

from training.records.record import Record, append
from training.results.claims.another_climate import another_climate
from training.results.claims.context import ResultsContext
from training.results.claims.member_generators import generators, member_generators

TITLES = {"bilinear": "Bilinear", "trees": "Trees", "flow": "Flow", "noise": "Noise"}


def record(crps: float) -> Record:
    """Return an evaluation of two generators, the first of which has this CRPS."""
    fields = {"rmse": 1.0, "mae": 0.8, "js_distance": 0.1, "ralsd": 2.0}
    drawn = {"members": 8, "spread_skill": 0.9, "rank_histogram": 0.1, "reliability_95": 0.01}
    drawn |= {"over_least_mae": [0.5, 0.4, 0.6], "few": "3 dates only"}
    return Record(
        id="flow-evaluation",
        kind="evaluation",
        config="training/configs/flow.yaml",
        hash="1" * 64,
        seed=0,
        steps=1,
        command="python -m training.evaluate training/configs/flow.yaml --compare noise",
        metrics={
            "bilinear": {**fields, "mae": 1.2},
            "trees": {**fields, "mae": 0.5},
            **{f"{name}{kind}": fields for name in ("flow", "noise") for kind in ("", "-mean", "-member")},
        },
        finished="2026-01-01T00:00:00Z",
        notes={
            "units": "m",
            "model": "flow",
            "titles": TITLES,
            "simple": ["bilinear"],
            "least_mae": "bilinear",
            "ensembles": {
                "flow": {**drawn, "crps": crps},
                "noise": {**drawn, "crps": 0.7, "spread_skill": None},
                "flow-without-sources": {**drawn, "crps": 0.1},
            },
        },
    )


def test_the_best_generator_is_held_to_the_best_simple_method(tmp_path) -> None:
    append(tmp_path / "a.jsonl", record(0.6))
    section = member_generators(ResultsContext(print, folder=tmp_path))
    (claim,) = section.claims
    assert (
        claim.claim
        == "fair CRPS of flow, the best generator, over the MAE of Bilinear, the best simple method"
    )
    assert (claim.value, claim.high, claim.few) == (0.5, 0.6, "3 dates only") and claim.holds
    figures = {one.claim: one.value for one in section.figures}
    assert figures["RMSE of mean of flow"] == 1.0 and "spread/skill of noise" not in figures
    assert "the best simple method: 1.2" in section.text and "without" not in section.text
    assert another_climate(ResultsContext(print, folder=tmp_path)).missing


def test_generators_stand_in_the_order_of_their_crps(tmp_path) -> None:
    assert generators(record(0.9)) == ["noise", "flow"]
    append(tmp_path / "a.jsonl", record(0.9))
    (claim,) = member_generators(ResultsContext(print, folder=tmp_path)).claims
    assert claim.claim.startswith("fair CRPS of noise")


def test_without_a_record_it_says_so(tmp_path) -> None:
    assert member_generators(ResultsContext(print, folder=tmp_path)).missing
