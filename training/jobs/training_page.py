"""A training as one page: the curves of its losses, and in the end its scores beside the simple methods'."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.console.followed import LossCurve
from training.html.page import Cell, Page, facts_html, nearest, table_html
from training.html.style import GREY, PALETTE, WIDTH, drawing

MOST_POINTS = 400  # of a curve
MEMORY = 0.04  # of the steps shown: over how many a loss is averaged, in a running mean
SHOWN = ("rmse", "mae", "bias")


def write_page(
    path: Path,
    head: Sequence[str],
    curves: Sequence[LossCurve],
    model: str = "",
    metrics: Mapping[str, Mapping[str, Any]] | None = None,
    units: str = "",
) -> None:
    """Write the page; a reader sees the one before or the whole new one.

    Args:
        path: of the page.
        head: title, and what stands below it.
        curves: of the phases, as far as they have come.
        model: id, as `metrics` name it.
        metrics: case → name → value of the finished model's test, in `units`; None while it trains.
        units: of the target.
    """
    page = Page(head[0], " ".join(head[1:]))
    begun = [curve for curve in curves if curve.losses]
    if metrics:
        page.section(
            "Test", _table(metrics, model), f"Scores on data that training never saw, {units or '1'}."
        )
    for curve in begun:
        last = max(curve.losses)
        facts = [("Steps", f"{last} of {curve.steps} at most"), ("Loss", f"{curve.losses[last]:.4g}")]
        if curve.validation:
            best = min(curve.validation, key=lambda step: curve.validation[step])
            facts.append(("Best validation", f"{curve.validation[best]:.4g}, after step {best}"))
        page.section(curve.phase, facts_html(facts))
        page.section("", _figure(curve), "Loss of the steps, and its running mean; points are validations.")
    if not begun and not metrics:
        page.html("<p>No step is taken yet.</p>")
    page.write(path)


def _figure(curve: LossCurve) -> Any:
    steps = sorted(curve.losses)
    every = max(1, len(steps) // MOST_POINTS)
    groups = [steps[i : i + every] for i in range(0, len(steps), every)]
    means = [sum(curve.losses[s] for s in group) / len(group) for group in groups]
    with drawing() as pyplot:
        figure, axes = pyplot.subplots(figsize=(0.7 * WIDTH, 2.6))
        places = [group[-1] for group in groups]
        axes.plot(places, means, color=PALETTE[0], linewidth=0.6, alpha=0.35)
        axes.plot(places, _running_mean(means), color=PALETTE[0])
        if min(means) > 0 and max(means) > 20 * min(means):
            axes.set_yscale("log")
        axes.set_xlabel("step")
        axes.set_ylabel("loss")
        if curve.validation:
            beside = axes.twinx()
            validated = sorted(curve.validation)
            values = [curve.validation[step] for step in validated]
            beside.plot(validated, values, "o-", color=PALETTE[1], markersize=3, linewidth=0.8)
            beside.set_ylabel("validation", color=PALETTE[1])
            beside.spines["right"].set_visible(True)
            beside.tick_params(colors=GREY)
        from training.html.page import figure_html

        return figure_html(figure, alt=f"{curve.phase}: loss and validation by step")


def _running_mean(values: Sequence[float]) -> list[float]:
    """Return a mean over each value and those before it, which count the less the longer ago they are."""
    kept = 1 - 1 / max(1.0, MEMORY * len(values))
    means: list[float] = []
    total = weight = 0.0
    for value in values:
        total, weight = kept * total + value, kept * weight + 1
        means.append(total / weight)
    return means


def _table(metrics: Mapping[str, Mapping[str, Any]], model: str) -> str:
    names = [name for name in SHOWN if any(name in values for values in metrics.values())]
    if not names:  # of a cascade, one for each step
        names = sorted({name for values in metrics.values() for name in values if name.startswith("rmse")})
    cases = sorted(metrics, key=lambda case: (_number(metrics[case].get(names[0])), case)) if names else []
    rows: list[list[str | Cell]] = [
        [case, *(f"{_number(metrics[case].get(name)):.4g}" for name in names)] for case in cases
    ]
    best = set()
    for column, name in enumerate(names, start=1):
        values = [_number(metrics[case].get(name)) for case in cases]
        best |= {(row, column) for row in nearest(values, 0.0)}
    own = [number for number, case in enumerate(cases) if case.startswith(model)] if model else []
    return table_html(["method", *names], rows, best, own)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan
