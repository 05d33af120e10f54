"""An ablation's figures: heat map, importance chart, retrained against withheld."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from training.ablation.gather import Gathered, title_of
from training.ablation.importance import Agreement, Estimate
from training.html.style import GREY, PALETTE, WIDTH

BAR, THIN = 5.0, 1.2  # line widths of the block interval and of the combined one


def heat_map(pyplot: Any, gathered: Gathered, columns: Sequence[tuple[str, str, str]]) -> Any:
    """Draw variants × metrics: colour, the change against a row's own reference; text, the mean.

    Subsets are compared with no group at all, constraints with the reference.

    Args:
        pyplot: as `training.html.style.drawing` gives it.
        gathered: the results.
        columns: name, title and form of each metric, lower being better.
    """
    rows = [v for v in gathered.variants if v.kind != "dropout"]
    results = gathered.retrained
    values = np.array([[results.mean(v.name, name) for name, _, _ in columns] for v in rows])
    base = np.array(
        [
            [
                results.mean("none" if v.kind == "subset" else gathered.reference, name)
                for name, _, _ in columns
            ]
            for v in rows
        ]
    )
    change = np.divide(values - base, np.abs(base), out=np.zeros_like(values), where=base != 0) * 100
    largest = max(1.0, min(50.0, float(np.nanmax(np.abs(change)))))
    figure, axes = pyplot.subplots(figsize=(WIDTH * 0.82, 0.3 * len(rows) + 1.1))
    image = axes.imshow(change, cmap="RdBu_r", vmin=-largest, vmax=largest, aspect="auto")
    for row, column in np.ndindex(*values.shape):
        dark = abs(change[row, column]) > 0.65 * largest
        text = columns[column][2].format(values[row, column])
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color="white" if dark else "black")
    axes.set_xticks(range(len(columns)), [title for _, title, _ in columns])
    axes.set_yticks(range(len(rows)), [title_of(v, gathered.groups) for v in rows])
    first = next((i for i, v in enumerate(rows) if v.kind == "constraint"), None)
    if first is not None:
        axes.axhline(first - 0.5, color="black", linewidth=1.2)
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, pad=0.02, fraction=0.04)
    bar.set_label("change, %")
    bar.outline.set_visible(False)
    return figure


def importance_chart(
    pyplot: Any,
    gains: dict[str, tuple[Estimate, Estimate, Estimate]],
    constraints: dict[str, Estimate],
    units: str,
) -> Any:
    """Draw what each group gains and each constraint costs when it is off.

    Args:
        pyplot: see `heat_map`.
        gains: group → average gain, gain alone, gain on top of all others.
        constraints: title → the RMSE's rise without it.
        units: of the target.
    """
    panels = 2 if constraints else 1
    height = 0.42 * max(len(gains), len(constraints), 2) + 1.3
    figure, axes = pyplot.subplots(1, panels, figsize=(WIDTH, height), squeeze=False)
    left = axes[0, 0]
    order = sorted(gains, key=lambda name: gains[name][0].value)
    for place, name in enumerate(order):
        average, first, last = gains[name]
        left.barh(place, average.value, height=0.55, color=PALETTE[5], zorder=1)
        _interval(left, place, average)
        left.plot(first.value, place, marker=">", color=PALETTE[1], linestyle="", markersize=6, zorder=4)
        left.plot(last.value, place, marker="<", color=PALETTE[2], linestyle="", markersize=6, zorder=4)
    left.set_yticks(range(len(order)), order)
    left.set_xlabel(f"fall of the RMSE ({units})")
    left.set_title("Sources: average gain", loc="left")
    handles = [
        left.plot([], [], marker=">", color=PALETTE[1], linestyle="", label="alone")[0],
        left.plot([], [], marker="<", color=PALETTE[2], linestyle="", label="on top of all others")[0],
    ]
    left.legend(handles=handles, loc="lower right")
    if constraints:
        right, order = axes[0, 1], sorted(constraints, key=lambda name: constraints[name].value)
        for place, name in enumerate(order):
            right.barh(place, constraints[name].value, height=0.55, color=PALETTE[4], zorder=1)
            _interval(right, place, constraints[name])
        right.set_yticks(range(len(order)), order)
        right.set_xlabel(f"rise of the RMSE ({units})")
        right.set_title("Constraints: what is lost without them", loc="left")
    for axis in axes.flat:
        axis.axvline(0, color=GREY, linewidth=0.8)
        axis.grid(axis="x")
    return figure


def _interval(axis: Any, place: float, estimate: Estimate) -> None:
    """Draw the interval over blocks thick, and the one over blocks and seeds thin."""
    for interval, width in ((estimate.both, THIN), (estimate.blocks, BAR)):
        if not math.isnan(interval.low):
            line = axis.plot([interval.low, interval.high], [place, place], color="black", linewidth=width)
            line[0].set(solid_capstyle="butt", alpha=0.8, zorder=3)


def agreement_chart(pyplot: Any, agreement: Agreement, units: str) -> Any:
    """Draw every gain of the retrained models against that of one model with sources withheld."""
    figure, axes = pyplot.subplots(figsize=(WIDTH * 0.5, WIDTH * 0.42))
    groups = list(dict.fromkeys(name.split(" ")[0] for name in agreement.names))
    for number, group in enumerate(groups):
        places = [i for i, name in enumerate(agreement.names) if name.split(" ")[0] == group]
        across, up = ([values[i] for i in places] for values in (agreement.retrained, agreement.withheld))
        axes.scatter(across, up, s=28, color=PALETTE[number % len(PALETTE)], label=group, zorder=3)
    low = min(*agreement.retrained, *agreement.withheld, 0.0)
    high = max(*agreement.retrained, *agreement.withheld)
    axes.plot([low, high], [low, high], color=GREY, linewidth=0.8)
    axes.set_xlabel(f"gain, retrained ({units})")
    axes.set_ylabel(f"gain, source withheld ({units})")
    axes.legend()
    axes.grid(True)
    return figure
