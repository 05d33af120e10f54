"""What a configuration of data, factor and sources alone comes to, all else chosen; from records."""

from __future__ import annotations

import math
from typing import Any

from training.evaluation.comparison import few_blocks
from training.evaluation.recorded import KIND
from training.records.record import Record
from training.results.claims.claim import Bar, Claim, ResultsSection, columns
from training.results.claims.context import ResultsContext

FOLDER = "training/configs/defaults/"  # how the paths of such configurations begin
SHARP = 0.65  # of the best simple method's mean absolute error, that the fair CRPS should be at or below
BARS = {  # of the best other method's RMSE, that the model should be at or below, by the file's name
    "rain_space": 0.9,
    "swe": 0.85,
    "swe_olympics": 0.92,
    "racmo_temperature": 0.9,
    "racmo_precipitation": 0.9,
    "snow": 0.8,
}
HEADINGS = ("model", "RMSE / best other", "MAE / least simple", "CRPS / own MAE", "MAE that the bar asks for")


def defaults(context: ResultsContext) -> ResultsSection:
    """Errors and members of models whose settings were chosen, as the newest record of each has them."""
    section = ResultsSection("The defaults")
    newest = {r.config: r for r in context.records(KIND) if r.config.startswith(FOLDER)}
    if not newest:
        return section.lack("The defaults: no record is committed.")
    rows = [[*HEADINGS, "spread/skill"]]
    for record in newest.values():
        rows.append(_add(section, record))
    section.text = columns(rows)
    return section


def _add(section: ResultsSection, record: Record) -> list[str]:
    """Add a record's figures and claims; returns its row of the table."""
    model, notes = str(record.notes["model"]), record.notes
    titles, drawn = notes["titles"], notes["ensembles"][model]
    others = [name for name in notes["ratios"] if not name.startswith(model)]
    best = min(others, key=lambda name: _finite(record.metrics[name]["rmse"]))
    told = notes["ratios"][best]
    words = f"RMSE of {model} over that of the best other method, {titles[best]}"
    bar = Bar(high=BARS[record.config.removeprefix(FOLDER).removesuffix(".yaml")])
    ratio = _claim(words, [told[key] for key in ("value", "low", "high")], bar, _few(told))
    simple = notes["least_mae"]
    words = f"fair CRPS of {model} over the MAE of the best simple method, {titles[simple]}"
    sharp = _claim(words, drawn["over_least_mae"], Bar(high=SHARP), drawn["few"])
    section.claims += [ratio, sharp]
    own, least = (_finite(record.metrics[name]["mae"]) for name in (model, simple))
    share = _finite(drawn["crps"]) / own
    figures = {
        "MAE of {} over that of the best simple method": own / least,
        "fair CRPS of {} over its own MAE": share,
        "MAE of {} over the best simple method's with which its members would keep the bar": SHARP / share,
        "spread over skill of {}": _finite(drawn["spread_skill"]),
    }
    section.figures += [Claim(words.format(model), value) for words, value in figures.items()]
    return [model, *(f"{value:.3f}" for value in (ratio.value, *figures.values()))]


def _few(told: dict[str, Any]) -> str:
    return few_blocks(told["dates"], told["places"])


def _claim(words: str, numbers: list[float | None], bar: Bar, few: str) -> Claim:
    value, low, high = map(_finite, numbers)
    return Claim(words, value, low, high, bar, few)


def _finite(number: float | None) -> float:
    return math.nan if number is None else float(number)
