"""Measured snow, told from records: the best other method is the bar, wherever it stands."""

from __future__ import annotations

from training.records.record import Record, append
from training.results.claims.another_climate import another_climate
from training.results.claims.context import ResultsContext
from training.results.claims.measured_snow import measured_snow
from training.results.measured_prose import RANGES, measured_snow_prose
from training.results.told_numbers import ToldNumbers


def record(key: str = "", trees: float = 0.22, high: float = 0.9) -> Record:
    """Return an evaluation of one split; the model has an RMSE of 0.18."""
    model = f"swe16km{key}"
    rmse = {"bilinear": 0.31, "neighbourhood": 0.24, "trees": trees, f"{model}-base": 0.24, model: 0.18}
    ratios = {
        name: {"value": 0.18 / value, "low": 0.18 / value - 0.1, "high": high, "dates": 22, "places": 6}
        for name, value in rmse.items()
        if name != model
    }
    return Record(
        id=f"{model}-evaluation",
        kind="evaluation",
        config=f"training/configs/swe16km{'_' * bool(key)}{key}.yaml",
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
            "ratios": ratios,
        },
    )


def test_a_claim_stands_against_the_best_other_method_and_its_interval(tmp_path) -> None:
    append(tmp_path / "a.jsonl", record(high=0.84))
    append(tmp_path / "a.jsonl", record("sierra", trees=0.3, high=0.95))
    section = measured_snow(ResultsContext(print, folder=tmp_path))
    time, space = section.claims
    assert time.claim == "RMSE of swe16km over that of the best other method, Trees" and time.holds
    assert space.claim.endswith("Neighbourhood") and str(space.bar) == "<= 0.92"
    assert space.verdict == "not surely" and space.few == "6 places only"
    figures = {figure.claim: figure.value for figure in section.figures}
    assert figures["RMSE of swe16km, m"] == 0.18
    assert figures["RMSE of swe16km over that of its base alone"] == 0.18 / 0.24
    assert figures["RMSE of swe16km over that of Neighbourhood"] == 0.18 / 0.24
    assert figures["RMSE of swe16kmsierra over that of Trees"] == 0.18 / 0.3
    assert "training/configs/swe16km_sierra.yaml" in section.text


def test_its_records_are_no_other_parts_and_the_text_tells_them(tmp_path) -> None:
    for key in ("", *RANGES):
        append(tmp_path / "a.jsonl", record(key))
    context = ResultsContext(print, folder=tmp_path)
    assert another_climate(context).missing
    text = " ".join(measured_snow_prose(ToldNumbers(measured_snow(context), context)))
    assert "not simulated" in text and "in the Sierra Nevada (the other is *Trees*)" in text
    assert measured_snow(ResultsContext(print, folder=tmp_path / "none")).missing
