"""Scores of methods on an archive: predict whole fields through the engine, conserve, measure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from engine.card import SourceSpec, TargetSpec
from engine.conservation import aggregate, conserve
from engine.methods import BASELINES, baseline, variants
from engine.metrics import (
    FURTHER_METRICS,
    METRICS,
    JensenShannonDistance,
    Metric,
    percentile_range,
    truth_scale,
)
from engine.patch import Patch
from training.data.archive import Archive, ArchiveSource
from training.data.patches import View, Window, cut

TILE = 64  # coarse cells along a tile's edge


@dataclass(frozen=True)
class Case:
    """One row of the table: a method, what it may see, and how far it is made to conserve."""

    name: str
    title: str
    predict: Callable[[Patch], Tensor]
    halo: int
    view: View
    strength: float  # of the conservation


@dataclass(frozen=True)
class Region:
    """Where and when scores are taken: times, and first and last + 1 coarse column."""

    times: tuple[int, ...]
    columns: tuple[int, int]

    def fine_columns(self, factor: int) -> slice:
        """The same columns on the fine grid."""
        return slice(self.columns[0] * factor, self.columns[1] * factor)


@dataclass
class Score:
    """A case's numbers, and its fields, (T, h·k, w·k), where they were kept."""

    case: Case
    values: dict[str, float]
    fields: np.ndarray | None = field(default=None, repr=False)


@torch.no_grad()
def predict_field(
    case: Case,
    archive: Archive,
    time: int,
    columns: tuple[int, int],
    target: TargetSpec,
    tile: int = TILE,
    withheld: frozenset[int] = frozenset(),
) -> tuple[Tensor, Tensor]:
    """Predict one time over all rows of some columns, tile by tile, and conserve.

    The climatology of the months in `withheld` is not seen.

    Returns:
        The field, (1, h·k, w·k), and its aggregate, (1, h, w).
    """
    k, height = archive.factor, archive.shape[0]
    rows = []
    for row in range(0, height, tile):
        pieces = []
        for column in range(columns[0], columns[1], tile):
            size = (min(tile, height - row), min(tile, columns[1] - column))
            patch, _ = cut(archive, [Window(time, row, column, withheld)], size, case.halo, case.view)
            pieces.append(case.predict(patch))
        rows.append(torch.cat(pieces, -1))
    fine = torch.cat(rows, -2)
    coarse = torch.from_numpy(archive.coarse[time, :, columns[0] : columns[1]].copy())[None]
    area = None if archive.area is None else torch.from_numpy(archive.area)[None]
    fine = conserve(fine, coarse, k, target, case.strength, area)
    return fine, aggregate(fine, k, area if target.weights == "area" else None)


def score(
    case: Case,
    archive: Archive,
    region: Region,
    target: TargetSpec,
    keep: bool = False,
    tile: int = TILE,
    further: bool = False,
) -> Score:
    """Measure one case over a region: RMSE, MAE, bias, JS distance, conservation residual.

    With `further`, also every metric of `engine.metrics.FURTHER_METRICS`.
    """
    columns = region.fine_columns(archive.factor)
    all_truth = archive.fine[list(region.times)][..., columns]
    low, high = percentile_range(all_truth)
    metrics: dict[str, Metric] = {}
    for name, kind in METRICS.items():
        metrics[name] = JensenShannonDistance(low, high) if name == "js_distance" else kind()
    if further:
        scale = truth_scale(all_truth)
        metrics.update({name: make(scale) for name, make in FURTHER_METRICS.items()})
    del all_truth
    fields = []
    for time in region.times:
        fine, mean = predict_field(case, archive, time, region.columns, target, tile)
        truth = archive.fine[time][None, :, columns]
        coarse = archive.coarse[time][None, :, region.columns[0] : region.columns[1]]
        for name, metric in metrics.items():
            pair = (mean.numpy(), coarse) if name == "conservation_residual" else (fine.numpy(), truth)
            metric.update(*pair)
        if keep:
            fields.append(fine[0].numpy())
    values = {name: metric.compute() for name, metric in metrics.items()}
    return Score(case, values, np.stack(fields) if keep else None)


def baseline_cases(
    factor: int, target: TargetSpec, view: View, archive_sources: Mapping[str, ArchiveSource]
) -> list[Case]:
    """Return every simple method whose sources the view holds, as it is and made conservative.

    Args:
        factor: k.
        target: the variable.
        view: what methods may see.
        archive_sources: what the archive has, by name.
    """
    usable = [archive_sources[name] for name in view.sources if name in archive_sources]
    cases = []
    for id in BASELINES:
        method = baseline(id, factor, target)
        held = {
            wanted.name: source.name
            for wanted in method.sources
            for source in usable
            if _fits(source, wanted)
        }
        if any(not wanted.optional and wanted.name not in held for wanted in method.sources):
            continue
        sources = replace(view, sources=tuple(held.values()))
        for name, title, strength in variants(id):
            cases.append(Case(name, title, method.predict, method.halo, sources, strength))
    return cases


def _fits(source: ArchiveSource, wanted: SourceSpec) -> bool:
    """Return whether an archive's source is what a simple method wants: a climatology goes by any name."""
    if wanted.kind == "climatology":
        return source.kind == "climatology"
    return (source.name, source.kind, source.grid) == (wanted.name, wanted.kind, wanted.grid)


def model_cases(
    id: str,
    predict: Callable[[Patch], Tensor],
    halo: int,
    view: View,
    sources: Sequence[SourceSpec],
    strength: float,
) -> list[Case]:
    """Return a model with all sources, without the climatology, and without any.

    What is withheld must be optional; cases that would withhold a required source are left out.
    """
    usable = {s.name: s for s in sources if s.name in view.sources}
    view = View(tuple(usable), view.climatology_times, view.climatology_columns)
    climatology = {name for name, s in usable.items() if s.kind == "climatology"}
    cases = [Case(id, f"{id}, all sources", predict, halo, view, strength)]
    withheld: set[str] = set()
    for suffix, words, gone in (
        ("without-climatology", "without climatology", climatology),
        ("without-sources", "without any source", set(usable)),
    ):
        if gone and gone != withheld and all(usable[name].optional for name in gone):
            cases.append(
                Case(f"{id}-{suffix}", f"{id}, {words}", predict, halo, view.without(gone), strength)
            )
            withheld = gone
    return cases


class Column(NamedTuple):
    """A metric in a table."""

    name: str
    title: str
    form: str
    perfect: float | None = 0.0  # the best is nearest to it; None: no best


COLUMNS = (
    Column("rmse", "RMSE", "{:.3f}"),
    Column("mae", "MAE", "{:.3f}"),
    Column("bias", "bias", "{:+.3f}"),
    Column("js_distance", "JS distance", "{:.4f}"),
    Column("conservation_residual", "residual", "{:.1e}", None),
)

FURTHER_COLUMNS = (
    Column("pearson", "Pearson", "{:.4f}", 1),
    Column("nse", "NSE (R²)", "{:.4f}", 1),
    Column("kge", "KGE", "{:.4f}", 1),
    Column("kl_divergence", "KL", "{:.5f}"),
    Column("perkins", "Perkins", "{:.4f}", 1),
    Column("wasserstein", "W1", "{:.3f}"),
    Column("quantile_bias_95", "Q95 bias", "{:+.2f}"),
    Column("quantile_bias_99", "Q99 bias", "{:+.2f}"),
    Column("ralsd", "RALSD", "{:.3f}"),
    Column("fss_95_5", "FSS95/5", "{:.4f}", 1),
    Column("fss_95_17", "FSS95/17", "{:.4f}", 1),
    Column("fss_99_5", "FSS99/5", "{:.4f}", 1),
    Column("fss_99_17", "FSS99/17", "{:.4f}", 1),
    Column("ssim", "SSIM", "{:.4f}", 1),
)


def table(scores: Iterable[Score], units: str) -> str:
    """Return the scores as text: a row for each method, best of each column marked with *."""
    return _table(list(scores), COLUMNS, f"RMSE, MAE, bias and residual in {units}; * best")


def further_table(scores: Iterable[Score], units: str) -> str:
    """Return the further metrics of scores taken with `further`, in the same form."""
    foot = (
        f"KL in bits, W1 and bias of quantiles in {units}, RALSD in dB; FSS95/5: fractions skill above the "
        "truth's 95th percentile, 5 × 5 cells; * best"
    )
    return _table(list(scores), FURTHER_COLUMNS, foot)


def _table(scores: Sequence[Score], columns: Sequence[Column], foot: str) -> str:
    best: dict[str, float] = {}
    for column in columns:
        if column.perfect is not None:
            distances = (abs(s.values[column.name] - column.perfect) for s in scores)
            best[column.name] = min((d for d in distances if not math.isnan(d)), default=math.nan)
    rows: list[Sequence[str]] = [["method", *(column.title for column in columns)]]
    for s in scores:
        cells = []
        for column in columns:
            value = s.values[column.name]
            marked = column.perfect is not None and abs(value - column.perfect) == best[column.name]
            cells.append(column.form.format(value) + ("*" if marked else " "))
        rows.append([s.case.title, *cells])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths)))
        for row in rows
    ]
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:], rule, foot])
