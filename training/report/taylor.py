"""Taylor diagram: correlation, variability and centred error of each method in one point."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from training.evaluation.scores import Score
from training.html.page import figure_html
from training.html.style import GREY, PALETTE, TRUTH, WIDTH
from training.metrics.pointwise.pearson import PearsonCorrelation
from training.report.context import Part, ReportContext

TITLE = "Taylor diagram"
CORRELATIONS = (0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.96, 0.97, 0.98, 0.99, 0.995, 0.999, 1)
CLOSE = 0.025  # of the picture's width: points that share a label
MARKS = {"simple": "o", "learned": "s", "model": "D"}


def parts(context: ReportContext) -> Iterator[Part]:
    """Yield the diagram of every method, drawn close to the truth's point."""
    points = {s.case.name: location for s in context.evaluation.scores if (location := point(s))}
    if not points:
        return
    figure, axis = context.pyplot.subplots(figsize=(WIDTH, 5.0))
    xs = np.array([r * c for r, c in points.values()] + [1.0])
    ys = np.array([r * math.sqrt(max(0.0, 1 - c * c)) for r, c in points.values()] + [0.0])
    margin = 0.08 * max(np.ptp(xs), np.ptp(ys), 0.02)
    left, right = float(xs.min() - margin), float(max(xs.max(), 1.0) + margin)
    top = float(ys.max() + margin)
    left, right = min(left, 1 - 0.75 * top), max(right, 1 + 0.45 * top)
    _web(axis, left, right, top)
    axis.plot([1], [0], marker="*", ms=15, color=TRUTH, clip_on=False, zorder=6)
    axis.annotate("truth", (1, 0), (0, 9), textcoords="offset points", ha="center", fontsize=8.5, zorder=6)
    labels: dict[tuple[float, float], list[str]] = {}
    for number, score in enumerate((s for s in context.evaluation.scores if s.case.name in points), start=1):
        r, c = points[score.case.name]
        x, y = r * c, r * math.sqrt(max(0.0, 1 - c * c))
        colour = context.colours.get(score.case.name, "#8a949e")
        own = score.case.group == "model"
        axis.plot(
            [x],
            [y],
            MARKS[score.case.group],
            color=colour,
            ms=8 if own else 6.5,
            mec="white",
            mew=0.6,
            zorder=5,
            label=f"{number}  {score.case.title}",
        )
        near = next((p for p in labels if math.hypot(p[0] - x, p[1] - y) < CLOSE * (right - left)), (x, y))
        labels.setdefault(near, []).append(str(number))
    for place, numbers in labels.items():
        told = ", ".join(numbers)
        axis.annotate(told, place, (6, 4), textcoords="offset points", fontsize=7.5, zorder=7)
    axis.set(xlim=(left, right), ylim=(0, top), aspect="equal")
    axis.set_xlabel("σ/σ(truth) · r")
    axis.set_ylabel("σ/σ(truth) · √(1 − r²)")
    figure.legend(loc="outside right center", fontsize=8)
    caption = (
        "Taylor diagram (Taylor 2001), enlarged around the truth: the distance from the origin is the "
        "standard deviation over the truth's (dashed arc: 1), the angle the correlation (rays), the "
        "distance from the star the centred RMSE over the truth's standard deviation (dotted arcs). All "
        f"cells and dates. {context.told}"
    )
    yield Part(figure_html(figure, "Taylor diagram"), caption)


def point(score: Score) -> tuple[float, float] | None:
    """Return σ over the truth's and correlation."""
    metric = score.measured.metrics.get("pearson")
    moments = metric.moments() if isinstance(metric, PearsonCorrelation) else None
    if moments is None or not moments.variance_t or not moments.variance_p:
        return None
    correlation = moments.covariance / math.sqrt(moments.variance_p * moments.variance_t)
    return math.sqrt(moments.variance_p / moments.variance_t), correlation


def _web(axis: Any, left: float, right: float, top: float) -> None:
    """Draw rays of correlation and arcs of centred error, labelled where they leave the picture."""
    size = max(right - left, top)
    for c in CORRELATIONS:
        slope = math.sqrt(1 - c * c) / c if c else math.inf
        x, y = (top / slope if slope else math.inf, top)
        if x > right:
            x, y = right, right * slope
        if x < left or y <= 0:
            continue
        axis.plot([0, x], [0, y], color="#d5dbe1", lw=0.8, zorder=1)
        told = {"textcoords": "offset points", "fontsize": 7.5, "color": GREY}
        axis.annotate(f"r = {c:g}", (x, y), (-3, 2), ha="right", **told)
    angles = np.linspace(0, math.pi, 200)
    step = _round(size / 4)
    for number in range(1, 9):
        radius = number * step
        across, up = 1 + radius * np.cos(angles), radius * np.sin(angles)
        axis.plot(across, up, color=PALETTE[2], lw=0.7, ls=":", zorder=1)
        inside = (across > left) & (across < right) & (up < top)
        if inside.any():
            at = int(np.flatnonzero(inside)[-1])
            axis.annotate(
                f"{radius:g}",
                (across[at], up[at]),
                (2, 2),
                textcoords="offset points",
                fontsize=7,
                color=PALETTE[2],
            )
    axis.plot(np.cos(angles), np.sin(angles), color=TRUTH, lw=1, ls="--", zorder=1)


def _round(value: float) -> float:
    """Return a round number near a value."""
    power = 10.0 ** math.floor(math.log10(value))
    return power * min((1, 2, 2.5, 5, 10), key=lambda m: abs(m - value / power))
