"""Radially averaged power spectra: how much structure there is at each scale."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from odc.geo.crs import CRS

from training.data.archive import Archive
from training.html.page import figure_html
from training.html.style import TRUTH, WIDTH
from training.metrics.structure.spectral_distance import SpectralLogDistance
from training.report.charts import line_style, plain_ticks
from training.report.context import Part, ReportContext

TITLE = "Spectra"


def parts(context: ReportContext) -> Iterator[Part]:
    """Yield power by wavelength, and its ratio to the truth's."""
    spectra = {s.case.name: s.measured.metrics.get("ralsd") for s in context.charted}
    some = [m for m in spectra.values() if isinstance(m, SpectralLogDistance) and m.count]
    if not some:
        return
    archive = context.evaluation.archive
    cell, unit = cell_length(archive)
    shorter = min(some[0].shape or (0, 0))
    wavelength = shorter * cell / np.arange(1, some[0].power.shape[1] + 1)
    figure, (left, right) = context.pyplot.subplots(1, 2, figsize=(WIDTH, 3.7))
    truth = some[0].spectra()[1]
    left.loglog(wavelength, truth, color=TRUTH, lw=2.2, label="Truth", zorder=1)
    right.axhline(0, color=TRUTH, lw=1.4, zorder=1)
    for score in context.charted:
        metric = spectra[score.case.name]
        if not isinstance(metric, SpectralLogDistance) or not metric.count:
            continue
        predicted, own = metric.spectra()
        style = line_style(context, score)
        left.loglog(wavelength, predicted, label=score.case.title, **style)
        with np.errstate(divide="ignore", invalid="ignore"):
            right.semilogx(wavelength, 10 * np.log10(predicted / own), **style)
    units = archive.units
    left.set_ylabel(f"Power ({units if units.isalpha() else f'({units})'}²)")
    right.set_ylabel("Power over the truth's (dB)")
    low = min(-6.0, max(right.get_ylim()[0], -30.0))
    right.set_ylim(low, max(3.0, min(right.get_ylim()[1], 10.0)))
    for axis in (left, right):
        axis.set_xlabel(f"Wavelength ({unit})")
        axis.set_xlim(wavelength[0] * 1.05, wavelength[-1] * 0.95)
        axis.grid(True, which="major")
        plain_ticks(axis.xaxis)
        _mark(axis, 2 * archive.factor * cell)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    caption = (
        "Radially averaged power spectra, mean over the test dates (left), and the methods' power over the "
        "truth's (right; 0 dB: as much structure as in truth, below: too smooth). Dotted: the shortest "
        "wavelength that the coarse field can hold, two coarse cells; all to its right is the methods' own. "
        f"{context.told}"
    )
    yield Part(figure_html(figure, "Power spectra"), caption)


def cell_length(archive: Archive) -> tuple[float, str]:
    """Return the length of a fine cell's edge and its unit: degrees, or kilometres."""
    edge = abs(archive.transform.e) / archive.factor
    if CRS(archive.crs).geographic:
        return edge, "degrees"
    return edge / 1000, "km"


def _mark(axis: Any, wavelength: float) -> None:
    axis.axvline(wavelength, color="#52606d", lw=1, ls=":")
