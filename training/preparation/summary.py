"""The summary page of a store: one HTML file with coverage, ranges, missing dates and maps in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from engine.raster.crs_name import cell_size, crs_name
from engine.raster.georeference import crs_wkt
from engine.source_kinds import KINDS
from training.data.store_format import COARSE
from training.html.page import Page, facts_html, figure_html
from training.html.style import drawing
from training.preparation.array_statistics import ArrayStatistics, CoarseAgreement
from training.preparation.building import Built
from training.preparation.planning import StorePlan

MAP_CELLS = 600  # along a map's edge: more than its dots


def write_summary(page: Path, store: Path, plan: StorePlan, built: Built, remarks: Sequence[str]) -> None:
    """Write the page.

    Args:
        page: where.
        store: filled.
        plan, built: what went into it, and what was learnt.
        remarks: sentences about it.
    """
    dataset = plan.dataset
    mode = {
        "aggregate": "Fine truth and its own aggregate",
        "independent": "Fine truth and an independent coarse product",
        "coarse": "Coarse product alone, no fine truth",
    }[dataset.target.mode]
    facts = [
        ("Pair", mode),
        ("Dates", f"{len(plan.times)}, {plan.times[0]} to {plan.times[-1]}"),
        ("Coarse grid", _grid(plan.coarse)),
        ("Fine grid", f"{_grid(plan.fine)} (×{dataset.factor})"),
        ("Data", f"{'simulated. ' if dataset.simulated else ''}{dataset.citation}"),
        ("Licence", dataset.licence),
    ]
    notes = "".join(f"<li>{escape(r)}</li>" for r in remarks)
    notes = f'<ul class="remarks">{notes}</ul>' if notes else '<p class="good">Nothing looks wrong.</p>'
    description = json.dumps(dataset.model_dump(mode="json", exclude_defaults=True), indent=2)
    sheet = Page(dataset.title, f"Data set {dataset.name}")
    sheet.html(facts_html(facts))
    sheet.section("Remarks", notes)
    sheet.section("Coverage and ranges", _table(plan, built))
    sheet.section("Missing dates", _missing(plan.missing))
    with drawing() as pyplot:
        for figure, title in _draw(pyplot, store, plan, built):
            sheet.section(title, figure_html(figure, title, vector=False, dpi=110))
    sheet.section("Description", f"<pre>{escape(description)}</pre>")
    sheet.write(page)


def _grid(grid: Any) -> str:
    rows, columns = grid.shape
    size = cell_size(grid.affine.a, grid.affine.e, crs_wkt(grid))
    return f"{columns} × {rows} cells of {size}, {crs_name(crs_wkt(grid))}"


def _rows(plan: StorePlan, built: Built) -> Iterator[tuple[str, str, str, str, bool, ArrayStatistics]]:
    """Yield name, title, units, grid, whether its numbers mean something, and numbers of each array."""
    for variable in plan.variables:
        scalar = variable.series.traits.scalar
        numbers = built.statistics[variable.name]
        yield variable.name, variable.title, variable.units, variable.grid, scalar, numbers
    if plan.get(COARSE) is None:
        truth = plan.variables[0]
        yield COARSE, f"{truth.title}, aggregate", truth.units, "coarse", True, built.statistics[COARSE]


def _table(plan: StorePlan, built: Built) -> str:
    lines = []
    for name, title, units, grid, scalar, own in _rows(plan, built):
        low, high = own.range or (float("nan"), float("nan"))
        numbers = [f"{v:.5g}" for v in (low, own.mean, high)] if scalar and own.range else ["–"] * 3
        empty = int((own.count == 0).sum())
        share = 100 * own.covered
        cells = [
            f"<td><b>{escape(name)}</b><br>{escape(title)}</td><td>{grid}</td>",
            f"<td>{escape(units or '–')}</td>",
            f'<td><span class="bar"><i style="width:{share:.1f}%"></i></span>{share:.1f} %</td>',
            *(f'<td class="n">{n}</td>' for n in numbers),
            f'<td class="n">{empty if own.count.size > 1 else "–"}</td>',
        ]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    heads = ("Array", "Grid", "Units", "Valid cells")
    head = "".join(f"<th>{h}</th>" for h in heads)
    head += "".join(f'<th class="n">{h}</th>' for h in ("Lowest", "Mean", "Highest", "Empty dates"))
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"


def _missing(missing: Mapping[str, Sequence[str]]) -> str:
    lines = [
        f"<tr><td>{escape(label)}</td><td class='n'>{len(dates)}</td><td>{escape(', '.join(dates))}</td></tr>"
        for label, dates in missing.items()
        if dates
    ]
    if not lines:
        return "<p class='good'>None.</p>"
    return f"<table>{''.join(lines)}</table>"


def _draw(pyplot: Any, store: Path, plan: StorePlan, built: Built) -> Iterator[tuple[Any, str]]:
    """Yield figures and their titles: maps of the first and last dates, static sources, means, the fit."""
    import zarr

    group = zarr.open_group(str(store), mode="r")
    counts = built.statistics[plan.variables[0].name].count
    full = np.flatnonzero(counts > 0)  # dates with anything to see
    chosen = list(dict.fromkeys(int(full[i]) for i in (0, full.size // 2, full.size - 1)))
    changing = [r for r in _rows(plan, built) if r[5].count.size > 1 or _dynamic(plan, r[0])]
    static = [r for r in _rows(plan, built) if r not in changing]
    tiles = [(r, time) for r in changing for time in chosen]
    yield _maps(pyplot, group, plan, tiles, len(chosen)), "Maps of the first, middle and last date"
    if static:
        yield _maps(pyplot, group, plan, [(r, None) for r in static], min(3, len(static))), "Static sources"
    if len(plan.times) > 1:
        yield _means(pyplot, plan, [r for r in changing if r[4]]), "Mean over the valid cells of each date"
    if built.comparison is not None:
        yield _fit(pyplot, plan, built.comparison), "Aggregate of the truth against the coarse product"


def _dynamic(plan: StorePlan, name: str) -> bool:
    variable = plan.get(name)
    return variable is None or variable.indices is not None


def _maps(
    pyplot: Any, group: Any, plan: StorePlan, tiles: Sequence[tuple[Any, int | None]], across: int
) -> Any:
    import matplotlib

    down = -(-len(tiles) // across)
    rows, columns = plan.coarse.shape
    height = min(max(3.3 * rows / columns, 1.6), 4.5)
    figure, axes = pyplot.subplots(
        down, across, figsize=(3.6 * across, (height + 0.5) * down), squeeze=False, layout="constrained"
    )
    for axis in axes.flat:
        axis.axis("off")
    box = plan.coarse.boundingbox
    shape = "equal" if rows / columns < 5 and columns / rows < 5 else "auto"
    for axis, ((name, _, units, grid, _, _), time) in zip(axes.flat, tiles):
        values, colours, limits, words = _picture(group[name], plan, name, time, units)
        if limits is None and np.isfinite(values).any():
            limits = tuple(np.nanpercentile(values, [0.5, 99.5]))
        low, high = limits if limits is not None else (None, None)
        classes = _classes(plan, name)
        cells = len(classes) if words == "class" else 256
        axis.axis("on")
        axis.set_xticks([])
        axis.set_yticks([])
        image = axis.imshow(
            values,
            cmap=matplotlib.colormaps[colours].resampled(cells).with_extremes(bad="#d8d8d8"),
            vmin=low,
            vmax=high,
            extent=(box.left, box.right, box.bottom, box.top),
            aspect=shape,
            interpolation="nearest",
        )
        when = "" if time is None else f", {plan.times[time]}"
        axis.set_title(f"{name}{when} ({grid})", fontsize=9)
        bar = figure.colorbar(image, ax=axis, shrink=0.85, label=words)
        if words == "class":
            bar.set_ticks(np.arange(len(classes)), labels=[str(c) for c in classes])
    return figure


def _classes(plan: StorePlan, name: str) -> tuple[int, ...]:
    variable = plan.get(name)
    return () if variable is None else variable.series.classes


def _picture(
    array: Any, plan: StorePlan, name: str, time: int | None, units: str
) -> tuple[np.ndarray, str, tuple[float, float] | None, str]:
    """Return one time of an array, thinned, with its colours, their limits and their meaning."""
    step = max(1, max(array.shape[-2:]) // MAP_CELLS)
    thin = (slice(None, None, step), slice(None, None, step))
    variable = plan.get(name)
    traits = KINDS["continuous"] if variable is None else variable.series.traits
    lead: tuple[Any, ...] = () if time is None else (time,)
    if not traits.stacked:
        return array[(*lead, *thin)], "viridis", None, units
    values = array[(*lead, slice(None), *thin)]
    if traits.labels:
        shown = np.where(np.isfinite(values[0]), np.nan_to_num(values).argmax(0), np.nan)
        return shown, "tab20", (-0.5, len(_classes(plan, name)) - 0.5), "class"
    if traits is KINDS["angle"]:
        degrees = np.rad2deg(np.arctan2(values[0], values[1])) % 360
        return degrees, "twilight", (0, 360), "degrees from north"
    return values[0], "viridis", None, traits.channels(_classes(plan, name))[0]


def _means(pyplot: Any, plan: StorePlan, rows: Sequence[Any]) -> Any:
    figure, axes = pyplot.subplots(
        len(rows), 1, figsize=(10, 1.7 * len(rows) + 0.4), sharex=True, squeeze=False, layout="constrained"
    )
    for axis, (name, _, units, _, _, numbers) in zip(axes[:, 0], rows):
        axis.plot(
            np.arange(numbers.means.size),
            numbers.means,
            lw=1,
            color="#3b7ea1",
            marker="." * (numbers.means.size < 80),
        )
        axis.set_title(f"{name} ({units})", fontsize=9, loc="left")
        axis.grid(alpha=0.3)
    ticks = np.unique(np.linspace(0, len(plan.times) - 1, 9).round().astype(int))
    axes[-1, 0].set_xticks(ticks, [str(plan.times[t]) for t in ticks], fontsize=8)
    return figure


def _fit(pyplot: Any, plan: StorePlan, comparison: CoarseAgreement) -> Any:
    figure, axis = pyplot.subplots(figsize=(5.4, 4), layout="constrained")
    bias, box = comparison.bias, plan.coarse.boundingbox
    limit = float(np.nanpercentile(np.abs(bias), 98)) if np.isfinite(bias).any() else 1.0
    image = axis.imshow(
        bias,
        cmap="RdBu",
        vmin=-limit,
        vmax=limit,
        extent=(box.left, box.right, box.bottom, box.top),
        interpolation="nearest",
    )
    figure.colorbar(image, ax=axis, label=f"mean of aggregate − product ({plan.variables[0].units})")
    truth, product = comparison.means
    axis.set_title(
        f"means {truth:.4g} and {product:.4g}, correlation {comparison.correlation:.2f}", fontsize=9
    )
    axis.set_xticks([])
    axis.set_yticks([])
    return figure
