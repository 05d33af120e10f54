"""Error against bands of elevation."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from training.html.page import figure_html
from training.html.style import TRUTH, WIDTH
from training.metrics.pointwise.bands import Band
from training.report.charts import line_style
from training.report.context import Part, ReportContext

TITLE = "Error against elevation"


def parts(context: ReportContext) -> Iterator[Part]:
    """Yield RMSE and bias by band of elevation, with the share of cells in each."""
    banded = [(s, s.measured.bands.compute()) for s in context.charted if s.measured.bands is not None]
    if not banded or len(banded[0][1]) < 2:
        return
    bands = banded[0][1]
    units = context.evaluation.archive.units
    figure, (left, right) = context.pyplot.subplots(1, 2, figsize=(WIDTH, 3.7))
    places = np.arange(len(bands))
    share = np.array([band.count for band in bands]) / max(sum(band.count for band in bands), 1)
    behind = left.twinx()
    behind.bar(places, 100 * share, color="#e8edf1", width=0.85, zorder=0)
    behind.set_ylabel("Cells (%)", color="#8a949e")
    behind.tick_params(axis="y", labelcolor="#8a949e")
    behind.set_ylim(0, min(100.0, 160 * share.max()))
    left.set_zorder(behind.get_zorder() + 1)
    left.patch.set_visible(False)
    for score, own in banded:
        style = {**line_style(context, score), "marker": "o", "ms": 4}
        left.plot(places, [band.rmse for band in own], label=score.case.title, **style)
        right.plot(places, [band.bias for band in own], **style)
    right.axhline(0, color=TRUTH, lw=1, zorder=1)
    left.set_ylim(bottom=0)
    left.set_ylabel(f"RMSE ({units})")
    right.set_ylabel(f"Bias ({units})")
    for axis in (left, right):
        axis.set_xticks(places, [band_words(band) for band in bands], rotation=40, ha="right", fontsize=7.5)
        axis.set_xlabel("Elevation (m)")
        axis.grid(True, axis="y")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    caption = (
        "RMSE (left; grey: share of the cells) and bias, method − truth (right), of the fine cells in bands "
        f"of elevation, all test dates. {context.told}"
    )
    yield Part(figure_html(figure, "Error against elevation"), caption)


def band_words(band: Band) -> str:
    """Return a band's limits in words."""
    if math.isinf(band.low) and math.isinf(band.high):
        return "all"
    if math.isinf(band.low):
        return f"< {band.high:g}"
    return f"≥ {band.low:g}" if math.isinf(band.high) else f"{band.low:g}–{band.high:g}"
