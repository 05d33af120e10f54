"""Quantiles of all cells and dates, method against truth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from training.html.page import figure_html
from training.html.style import TRUTH, WIDTH
from training.metrics.distribution.quantile_bias import QuantileBias
from training.report.charts import line_style
from training.report.context import Part, ReportContext

TITLE = "Quantiles"
LEVELS = np.concatenate([np.linspace(0.005, 0.99, 198), 1 - np.geomspace(0.0095, 1e-4, 40)])
TAIL = 1 - np.geomspace(0.5, 1e-4, 80)


def parts(context: ReportContext) -> Iterator[Part]:
    """Yield a quantile–quantile plot, and the bias of quantiles towards the upper tail."""
    metrics = {s.case.name: s.measured.metrics.get("quantile_bias_99") for s in context.charted}
    known = {n: m for n, m in metrics.items() if isinstance(m, QuantileBias) and m.truth.sum()}
    if not known:
        return
    units = context.evaluation.archive.units
    figure, (left, right) = context.pyplot.subplots(1, 2, figsize=(WIDTH, 3.9))
    ends = []
    for score in context.charted:
        metric = known.get(score.case.name)
        if metric is None:
            continue
        predicted, truth = quantiles_of(metric, LEVELS)
        ends += [truth.min(), truth.max(), predicted.max()]
        style = line_style(context, score)
        left.plot(truth, predicted, label=score.case.title, **style)
        upper, own = quantiles_of(metric, TAIL)
        right.semilogx(100 * (1 - TAIL), upper - own, **style)
    span = (min(ends), max(ends))
    left.plot(span, span, color=TRUTH, lw=1, zorder=1)
    right.axhline(0, color=TRUTH, lw=1, zorder=1)
    right.invert_xaxis()
    left.set(xlabel=f"Quantile of the truth ({units})", ylabel=f"Quantile of the method ({units})")
    right.set(xlabel="Cells above it in truth (%)", ylabel=f"Method − truth ({units})")
    right.set_xticks([50, 10, 1, 0.1, 0.01], ["50", "10", "1", "0.1", "0.01"])
    for axis in (left, right):
        axis.grid(True)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    caption = (
        "Quantiles of all cells and test dates pooled, up to the 99.99th percentile, each method's against "
        "the truth's (left; on the line: the same distribution), and their difference towards the upper "
        f"tail (right). {context.told}"
    )
    yield Part(figure_html(figure, "Quantile–quantile plot"), caption)


def quantiles_of(metric: QuantileBias, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return quantiles of prediction and of truth at some levels, from the streaming histogram.

    Args:
        metric: what took in the fields; its end bins reach to the extremes seen.
        levels: between 0 and 1.
    """
    ends = []
    for which, counts in enumerate((metric.prediction, metric.truth)):
        edges = np.linspace(metric.low, metric.high, metric.bins + 1)
        edges[0], edges[-1] = min(edges[0], metric.least[which]), max(edges[-1], metric.greatest[which])
        below = np.concatenate([[0], np.cumsum(counts)])
        ends.append(np.interp(levels * below[-1], below, edges))
    return ends[0], ends[1]
