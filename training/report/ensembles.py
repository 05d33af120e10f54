"""Calibration of ensembles: rank histogram, spread against skill, reliability."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from training.evaluation.scores import Score, members_name
from training.html.page import figure_html
from training.html.style import PALETTE, TRUTH, WIDTH
from training.metrics.ensemble.rank_histogram import RankHistogram
from training.metrics.ensemble.reliability import Reliability
from training.report.charts import plain_ticks
from training.report.context import Part, ReportContext
from training.report.grids import ColourScale, Panel, draw_panels, value_scale
from training.report.maps import extent_of

TITLE = "Ensembles"
EVENTS = (("reliability_95", "95th percentile"), ("reliability_99", "99th percentile"))
ENOUGH = 50  # cells behind a point of a reliability curve


def parts(context: ReportContext) -> Iterator[Part]:
    """Yield calibration of each ensemble, and maps of spread and support."""
    ensembles = [s for s in context.evaluation.scores if s.members]
    if not ensembles:
        return
    for score in ensembles:
        yield _calibration(context, score)
    drawn = context.drawn(context.dates["typical"])
    if drawn.spread is not None:
        yield _spread_maps(context)


def _calibration(context: ReportContext, score: Score) -> Part:
    figure, (ranks, spread, reliability) = context.pyplot.subplots(1, 3, figsize=(WIDTH, 3.3))
    _rank_histogram(ranks, score)
    _spread_skill(spread, score, context.evaluation.archive.units)
    _reliability(reliability, score)
    ratio = score.ensemble["spread_skill"].compute()
    caption = (
        f"Calibration of {score.case.title}, {score.members} members. Left: where the truth ranks among the "
        "members, over the share of a calibrated ensemble (1; dark: all cells, ties spread evenly; light: "
        "cells where truth and members are not all one value). Middle: RMSE of the mean against the spread, "
        f"in classes of equally many cells; spread over skill is {ratio:.3f} overall. Right: how often the "
        f"truth exceeds its 95th and 99th percentile where a share of the members does. {context.told}"
    )
    return Part(figure_html(figure, f"Calibration of {score.case.title}"), caption)


def _rank_histogram(axis: Any, score: Score) -> None:
    for name, colour, wide in (
        ("rank_histogram_untied", "#b9d3e6", 0.9),
        ("rank_histogram", PALETTE[0], 0.5),
    ):
        metric = score.ensemble.get(name)
        shares = metric.shares() if isinstance(metric, RankHistogram) else None
        if shares is not None:
            axis.bar(np.arange(shares.size), shares * shares.size, wide, color=colour)
    axis.axhline(1, color=TRUTH, lw=1)
    axis.set(xlabel="Rank of the truth among the members", ylabel="Frequency over the expected")
    axis.set_title("Rank histogram", loc="left")


def _spread_skill(axis: Any, score: Score, units: str) -> None:
    points = score.spread.points() if score.spread is not None else np.zeros((0, 3))
    points = points[(points[:, 0] > 0) & (points[:, 1] > 0)]
    if len(points):
        ends = (points[:, :2].min() * 0.8, points[:, :2].max() * 1.25)
        axis.loglog(ends, ends, color=TRUTH, lw=1, zorder=1)
        axis.loglog(points[:, 0], points[:, 1], "o-", color=PALETTE[0], ms=5)
        axis.set(xlim=ends, ylim=ends)
        plain_ticks(axis.xaxis)
        plain_ticks(axis.yaxis)
    axis.grid(True)
    axis.set(xlabel=f"Spread ({units})", ylabel=f"RMSE of the mean ({units})")
    axis.set_title("Spread and skill", loc="left")


def _reliability(axis: Any, score: Score) -> None:
    axis.plot([0, 1], [0, 1], color=TRUTH, lw=1, zorder=1)
    for (name, words), colour in zip(EVENTS, (PALETTE[0], PALETTE[1])):
        metric = score.ensemble.get(name)
        if isinstance(metric, Reliability):
            probability, frequency, cells = metric.curve()
            enough = cells >= ENOUGH
            axis.plot(
                probability[enough],
                frequency[enough],
                "o-",
                ms=3.5,
                color=colour,
                label=f"{words}, {metric.threshold:.4g}",
            )
    axis.set(
        xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="Share of members above", ylabel="Frequency in truth"
    )
    axis.grid(True)
    axis.legend(loc="upper left")
    axis.set_title("Reliability", loc="left")


def _spread_maps(context: ReportContext) -> Part:
    from matplotlib.colors import Normalize, PowerNorm

    drawn = context.drawn(context.dates["typical"])
    archive, region = context.evaluation.archive, context.evaluation.split.test
    if drawn.spread is None:
        raise ValueError("there are no members whose spread could be drawn")
    mean = drawn.fields[members_name(context.main.case.name, "mean")]
    error = np.abs(mean - drawn.truth)
    high = float(np.nanpercentile(drawn.spread, 99.5)) or 1.0
    amounts = ColourScale(PowerNorm(0.5, 0, high), "magma_r", f"Spread and error ({archive.units})", "max")
    panels = [
        Panel("Spread of the members", drawn.spread, amounts),
        Panel("|error| of their mean", error, amounts),
    ]
    rows: list[list[Panel | None]] = [[*panels]]
    if drawn.support is not None:
        shares = ColourScale(Normalize(0, 1), "PuBuGn", "Share of the detail that members agree on")
        value = value_scale([drawn.truth], context.what)
        rows.append(
            [Panel("Supported by the sources", drawn.support, shares), Panel("Their mean", mean, value)]
        )
    if drawn.truth.shape[1] > 4.5 * drawn.truth.shape[0]:
        rows = [[panel] for row in rows for panel in row if panel is not None]
    figure, _ = draw_panels(context.pyplot, rows, extent_of(archive, region))
    caption = (
        f"Standard deviation of {context.main.members} members of {context.main.case.title}, {drawn.label}; "
        "the error of their mean, on the same scale; and the share of the fine detail's variance on which "
        f"they agree (1: the sources determine it; 0: it is invented; grey: no detail). {context.told}"
    )
    return Part(figure_html(figure, "Spread and support", vector=False, lossy=True, dpi=170), caption)
