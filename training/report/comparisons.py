"""How much better or worse each method is than the strongest simple one, with intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from training.evaluation.comparison import Comparison
from training.evaluation.tables import further_decimals
from training.html.page import figure_html, table_html
from training.html.style import GREY, PALETTE, TRUTH, WIDTH
from training.report.context import Part, ReportContext
from training.report.results_tables import with_interval

TITLE = "Paired differences"
WORDS = {"rmse": "RMSE", "crps": "CRPS", "js_distance": "JS distance", "ralsd": "RALSD"}
COLOURS = {"simple": "#8a949e", "learned": PALETTE[2], "model": PALETTE[0]}


def parts(context: ReportContext) -> Iterator[Part]:
    """Yield a chart of RMSE ratios, and the differences as a table."""
    evaluation = context.evaluation
    against = [
        c
        for c in evaluation.comparisons
        if c.reference == evaluation.reference and c.measure == c.against == "rmse"
    ]
    if not against:
        return
    name = context.label(evaluation.reference)
    how = (
        f"95 % intervals from {evaluation.samples} bootstrap samples of blocks of dates and places, drawn "
        f"alike for both methods. {context.told}"
    )
    yield Part(_chart(context, against), f"RMSE over that of {name}, the strongest simple method; {how}")
    yield Part(
        _table(context, evaluation.comparisons),
        f"Paired comparisons: first against second method, in {evaluation.archive.units} (RALSD in dB, "
        f"JS distance without unit); {how}",
    )


def _chart(context: ReportContext, against: list[Comparison]) -> str:
    evaluation = context.evaluation
    figure, axis = context.pyplot.subplots(figsize=(WIDTH, 0.24 * len(against) + 0.9))
    places = np.arange(len(against))[::-1]
    for place, one in zip(places, against):
        score = evaluation.score(one.method)
        colour = COLOURS[score.case.group]
        ratio = one.ratio
        if math.isfinite(ratio.low):
            axis.plot([ratio.low, ratio.high], [place, place], color=colour, lw=2.4, alpha=0.45, zorder=2)
        axis.plot([ratio.value], [place], "o", color=colour, ms=5.5, zorder=3)
        axis.annotate(
            f"{ratio.value:.3f}",
            (1, place),
            (4, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=GREY,
        )
    axis.axvline(1, color=TRUTH, lw=1, ls="--", zorder=1)
    axis.set_xscale("log")
    ends = [v for c in against for v in (*c.ratio, 1.0) if math.isfinite(v) and v > 0]
    low, high = min(ends) / 1.04, max(ends) * 1.04
    ticks = [
        t
        for t in (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 7, 10)
        if low < t < high
    ]
    axis.set_xlim(low, high)
    axis.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axis.minorticks_off()
    axis.set_yticks(places, [context.label(c.method) for c in against])
    axis.set_ylim(-0.7, len(against) - 0.3)
    axis.set_xlabel(f"RMSE over that of: {context.label(evaluation.reference)}")
    axis.grid(True, axis="x")
    return figure_html(figure, "RMSE over that of the reference, with intervals")


def _table(context: ReportContext, comparisons: list[Comparison]) -> str:
    rows, form = [], f"{{:+.{3 + further_decimals(context.evaluation.scores)}f}}"
    for one in comparisons:
        if one.measure == "mae":
            continue
        measure = WORDS.get(one.measure, one.measure)
        if one.against != one.measure:
            measure += f" / {one.against.upper()}"
        rows.append(
            [
                context.label(one.method),
                context.label(one.reference),
                measure.replace(" ", "\u00a0"),
                with_interval(one.difference, form),
                with_interval(one.ratio, "{:.3f}"),
                one.few,
            ]
        )
    return table_html(["Method", "Against", "Measure", "Difference", "Ratio", "From"], rows, words=3)
