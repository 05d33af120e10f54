"""Snow that was measured: flights of an airborne lidar, in time and in mountains never seen, from records."""

from __future__ import annotations

import math
from typing import Any

from training.evaluation.comparison import few_blocks
from training.evaluation.recorded import KIND
from training.records.record import Record
from training.results.claims.another_climate import MEASURED_SNOW, record_table
from training.results.claims.claim import Bar, Claim, ResultsSection
from training.results.claims.context import ResultsContext

IN_TIME, IN_SPACE = 0.85, 0.92  # of the best other method's error, that the model should be at or below


def measured_snow(context: ResultsContext) -> ResultsSection:
    """Errors of the model and of every other method on each split, as the newest record of each has them."""
    section = ResultsSection("Snow, measured")
    newest = {r.config: r for r in context.records(KIND) if r.config.startswith(MEASURED_SNOW)}
    if not newest:
        return section.lack("Snow, measured: no record is committed.")
    section.text = "\n\n".join(record_table(record) for record in newest.values())
    for record in newest.values():
        _add(section, record)
    return section


def _add(section: ResultsSection, record: Record) -> None:
    """Add a record's figures, and the claim against the best method that is not the model's own."""
    model, ratios = str(record.notes["model"]), record.notes["ratios"]
    titles = record.notes["titles"]
    section.figures.append(Claim(f"RMSE of {model}, {record.notes['units']}", _number(record, model)))
    others = [name for name in ratios if not name.startswith(model)]
    simple = [name for name in others if name in record.notes["simple"]]
    bar = Bar(high=IN_TIME if record.config == f"{MEASURED_SNOW}.yaml" else IN_SPACE)
    best = min(others, key=lambda name: _number(record, name))
    words = f"RMSE of {model} over that of the best other method, {titles[best]}"
    section.claims.append(_ratio(words, ratios[best], bar))
    least = min(simple, key=lambda name: _number(record, name))
    for name in [one for one in (least, "trees") if one != best]:
        if name in ratios:
            section.figures.append(_ratio(f"RMSE of {model} over that of {titles[name]}", ratios[name]))
    own = f"{model}-base"
    if own in ratios:
        section.figures.append(_ratio(f"RMSE of {model} over that of its base alone", ratios[own]))


def _ratio(words: str, told: dict[str, Any], bar: Bar | None = None) -> Claim:
    value, low, high = (_finite(told[name]) for name in ("value", "low", "high"))
    return Claim(words, value, low, high, bar, few_blocks(told["dates"], told["places"]))


def _finite(number: float | int | None) -> float:
    return math.nan if number is None else float(number)


def _number(record: Record, name: str) -> float:
    return _finite(record.metrics[name]["rmse"])
